-- +goose Up
-- What only the engine uses. The loops scan these small, hot tables and never
-- the history in task_runs; see the comment of each for its life.

alter table services add column if not exists inline_input boolean not null default false;

create sequence task_runs_seq cache 1;
alter table task_runs
    add column seq bigint not null default nextval('task_runs_seq'), -- order of creation
    add column first_run boolean not null default false,
    add column code_changed boolean not null default false,
    add column output_bytes bigint,          -- output_size is 32 bit
    add column upstream_order text[],        -- jsonb does not keep the order of members
    add column superseded_by text;           -- the retry of its dead letter
update task_runs a set superseded_by = b.id from task_runs b -- an older engine could queue a join twice
    where a.pipeline_run_id = b.pipeline_run_id and a.task_id = b.task_id and (a.created_at, a.id) < (b.created_at, b.id);
create unique index uniq_task_runs_run_task on task_runs (pipeline_run_id, task_id)
    where pipeline_run_id is not null and superseded_by is null;

-- The state of a pipeline run beside its row; locked by every step that ends a
-- task of the run.
create table run_state (
    pipeline_run_id text primary key references pipeline_runs (id) on delete cascade,
    failure_mode text not null check (failure_mode in ('fail-fast', 'continue', 'partial-merge')),
    entry_tasks text[] not null,
    priority integer,                        -- given by the trigger
    open integer not null,                   -- task runs that have not ended
    completed integer not null default 0,
    broken integer not null default 0,
    ends_completed integer not null default 0,
    end_output text
) with (fillfactor = 50);

-- In-edges resolved so far, of tasks that have two or more.
create table joins (
    pipeline_run_id text not null references pipeline_runs (id) on delete cascade,
    task_id text not null,
    fired integer not null default 0,
    dead integer not null default 0,
    broken integer not null default 0,
    primary key (pipeline_run_id, task_id)
) with (fillfactor = 50);

-- Claimable task runs. Inserted when one becomes runnable, deleted when it is
-- claimed, never updated on the way (a claim finds rows by ctid). The lane is
-- the task id where the task has a concurrency limit, so that a task at its
-- limit costs a claim nothing and holds nobody back; otherwise it is empty.
create table ready (
    queue text not null,                     -- service id
    lane text not null default '',
    priority integer not null,
    seq bigint not null,
    task_run_id text not null,
    task_id text not null,
    primary key (queue, lane, priority, seq)
) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
create unique index uniq_ready_task_run_id on ready (task_run_id);

-- Concurrency limits: one row per task that ever had one; cap 0 is none.
create table slots (
    task_id text primary key,
    queue text not null,
    cap integer not null,
    used integer not null default 0
) with (fillfactor = 50);
create index idx_slots_queue on slots (queue);

-- Attempts under way. Whoever deletes the row ends the attempt. Swept whole by
-- the rescue, so that heartbeats touch no index.
create table lease (
    task_run_id text primary key,
    attempt integer not null,
    task_id text not null,
    pipeline_run_id text,
    owner text not null,
    slot boolean not null default false,     -- counted in slots
    claimed_at timestamptz not null,
    accepted_at timestamptz,
    until timestamptz not null,              -- lost when silent until then
    deadline timestamptz not null,           -- lost then, whatever it says
    window_ms integer not null,              -- what a heartbeat extends it by
    timeout_seconds integer not null,
    cancel boolean not null default false
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
create index idx_lease_pipeline_run_id on lease (pipeline_run_id) where pipeline_run_id is not null;

-- Pending task runs whose time has not come: retries and schedules.
create table timer (
    task_run_id text primary key,
    due timestamptz not null
) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
create index idx_timer_due on timer (due);

-- Inputs that ride in the database; in storage as well once stored is true.
create table inputs (
    path text primary key,
    data bytea not null,
    stored boolean not null default false,
    created_at timestamptz not null default now()
);

-- The code version of the newest run of each task.
create table task_seen (
    task_id text primary key,
    code_version integer not null
);

-- Kept counts of task runs and dead letters, in shards so that steps that
-- commit together do not wait for one row. A count is the sum over the shards.
create table counters (
    shard integer primary key,
    pending bigint not null default 0,
    running bigint not null default 0,
    completed bigint not null default 0,
    failed bigint not null default 0,
    dead_letters bigint not null default 0
) with (fillfactor = 50);
insert into counters (shard) select generate_series(0, 15);

-- Older tools delete dead letters behind the engine's back.
-- +goose StatementBegin
create function count_deleted_dead_letters() returns trigger language plpgsql as $$
begin
    update counters set dead_letters = dead_letters - (select count(*) from gone where retried_at is null)
    where shard = 0;
    return null;
end $$;
-- +goose StatementEnd
create trigger count_deleted_dead_letters after delete on dlq
    referencing old table as gone for each statement execute function count_deleted_dead_letters();

-- Take over what an older engine left. Its pipeline runs cannot be continued
-- (what a task had led to was never recorded); standalone work can.
update pipeline_runs set status = 'cancelled', completed_at = now(), error = 'Left open by an older engine'
    where status in ('pending', 'running');
update task_runs set status = 'cancelled', completed_at = now(), error = 'Left open by an older engine'
    where pipeline_run_id is not null and status in ('pending', 'running', 'waiting');
update task_runs set status = 'pending', started_at = null, heartbeat_at = null where status in ('running', 'waiting');
insert into slots (task_id, queue, cap) select id, service_id, concurrency from tasks where concurrency > 0;
insert into run_state (pipeline_run_id, failure_mode, entry_tasks, open)
    select r.id, p.failure_mode, p.entry_tasks, 0 from pipeline_runs r join pipelines p on p.id = r.pipeline_id;
insert into timer (task_run_id, due)
    select id, scheduled_for from task_runs where status = 'pending' and scheduled_for > now();
insert into ready (queue, lane, priority, seq, task_run_id, task_id)
    select k.service_id, case when k.concurrency > 0 then k.id else '' end, t.priority, t.seq, t.id, t.task_id
    from task_runs t join tasks k on k.id = t.task_id
    where t.status = 'pending' and (t.scheduled_for is null or t.scheduled_for <= now());
insert into task_seen (task_id, code_version)
    select distinct on (task_id) task_id, code_version from task_runs order by task_id, created_at desc;
update counters set
    pending = (select count(*) from task_runs where status = 'pending'),
    completed = (select count(*) from task_runs where status = 'completed'),
    failed = (select count(*) from task_runs where status = 'failed'),
    dead_letters = (select count(*) from dlq where retried_at is null)
where shard = 0;
