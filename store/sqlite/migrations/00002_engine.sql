-- +goose Up
-- What only the engine uses. The loops scan these small, hot tables and never
-- the history in task_runs; see the comment of each for its life.

alter table services add column inline_input integer not null default 0;

alter table task_runs add column seq integer not null default 0; -- order of creation
alter table task_runs add column first_run integer not null default 0;
alter table task_runs add column code_changed integer not null default 0;
alter table task_runs add column output_bytes integer;   -- output_size is 32 bit where it is shared
alter table task_runs add column upstream_order text;    -- order of the members of upstream_refs
alter table task_runs add column superseded_by text;     -- the retry of its dead letter
create unique index uniq_task_runs_seq on task_runs (seq);
create unique index uniq_task_runs_run_task on task_runs (pipeline_run_id, task_id)
    where pipeline_run_id is not null and superseded_by is null;

-- The state of a pipeline run beside its row; locked by every step that ends a
-- task of the run.
create table run_state (
    pipeline_run_id text primary key references pipeline_runs (id) on delete cascade,
    failure_mode text not null check (failure_mode in ('fail-fast', 'continue', 'partial-merge')),
    entry_tasks text not null,
    priority integer,                        -- given by the trigger
    open integer not null,                   -- task runs that have not ended
    completed integer not null default 0,
    broken integer not null default 0,
    ends_completed integer not null default 0,
    end_output text
);

-- In-edges resolved so far, of tasks that have two or more.
create table joins (
    pipeline_run_id text not null references pipeline_runs (id) on delete cascade,
    task_id text not null,
    fired integer not null default 0,
    dead integer not null default 0,
    broken integer not null default 0,
    primary key (pipeline_run_id, task_id)
);

-- Claimable task runs. Inserted when one becomes runnable, deleted when it is
-- claimed, never updated on the way. The lane is the task id where the task has a concurrency limit, so that a task at its
-- limit costs a claim nothing and holds nobody back; otherwise it is empty.
create table ready (
    queue text not null,                     -- service id
    lane text not null default '',
    priority integer not null,
    seq integer not null,
    task_run_id text not null,
    task_id text not null,
    primary key (queue, lane, priority, seq)
) without rowid;
create unique index uniq_ready_task_run_id on ready (task_run_id);

-- Concurrency limits: one row per task that ever had one; cap 0 is none.
create table slots (
    task_id text primary key,
    queue text not null,
    cap integer not null,
    used integer not null default 0
);
create index idx_slots_queue on slots (queue);

-- Attempts under way. Whoever deletes the row ends the attempt. Swept whole by
-- the rescue, so that heartbeats touch no index.
create table lease (
    task_run_id text primary key,
    attempt integer not null,
    task_id text not null,
    pipeline_run_id text,
    owner text not null,
    slot integer not null default 0,     -- counted in slots
    claimed_at integer not null,
    accepted_at integer,
    until integer not null,              -- lost when silent until then
    deadline integer not null,           -- lost then, whatever it says
    window_ms integer not null,              -- what a heartbeat extends it by
    timeout_seconds integer not null,
    cancel integer not null default 0
);
create index idx_lease_pipeline_run_id on lease (pipeline_run_id) where pipeline_run_id is not null;

-- Pending task runs whose time has not come: retries and schedules.
create table timer (
    task_run_id text primary key,
    due integer not null
);
create index idx_timer_due on timer (due);

-- Inputs that ride in the database; in storage as well once stored is true.
create table inputs (
    path text primary key,
    data blob not null,
    stored integer not null default 0,
    created_at integer not null default (unixepoch() * 1000000)
);

-- The code version of the newest run of each task.
create table task_seen (
    task_id text primary key,
    code_version integer not null
);

-- Kept counts of task runs and dead letters. One shard: there is one writer.
create table counters (
    shard integer primary key,
    pending integer not null default 0,
    running integer not null default 0,
    completed integer not null default 0,
    failed integer not null default 0,
    dead_letters integer not null default 0
);
insert into counters (shard) values (0);

-- +goose StatementBegin
create trigger count_deleted_dead_letters after delete on dlq when old.retried_at is null begin
    update counters set dead_letters = dead_letters - 1 where shard = 0;
end;
-- +goose StatementEnd
