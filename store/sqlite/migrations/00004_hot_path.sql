-- +goose Up
-- One row per task run for all of its life: what only claims, heartbeats and
-- the sweep look at are columns of it, found by small indexes over the rows
-- that are claimable, under lease or waiting for their time. One statement
-- moves a task run on, and what lies behind costs nothing. Indexes on columns
-- that change with every run are gone; reads find rare states by an index of
-- those alone. Checks and partial indexes say "a or b": for a list of three or
-- more SQLite builds a table each time a row is written.

alter table pipeline_runs rename to pipeline_runs_old;
create table pipeline_runs (
    id text primary key,
    pipeline_id text not null references pipelines (id) on delete cascade,
    status text not null default 'pending' check (status = 'running' or status = 'completed' or status = 'pending'
        or status = 'failed' or status = 'cancelled' or status = 'partial'),
    structure_snapshot text not null,
    pipeline_version text not null,
    input_path text,
    output_path text,
    error text,
    created_at integer not null default (unixepoch() * 1000000),
    started_at integer,
    completed_at integer,
    metadata text default '{}'
);
insert into pipeline_runs select id, pipeline_id, status, structure_snapshot, pipeline_version, input_path, output_path, error,
    created_at, started_at, completed_at, metadata from pipeline_runs_old order by rowid;

create table task_runs_new (
    seq integer primary key,                 -- order of creation
    id text not null unique,
    task_id text not null references tasks (id) on delete cascade,
    pipeline_run_id text references pipeline_runs (id) on delete cascade,
    status text not null default 'pending'
        check (status = 'completed' or status = 'running' or status = 'pending' or status = 'failed'
            or status = 'timeout' or status = 'cancelled' or status = 'waiting'),
    attempt integer not null default 1,
    max_retries integer not null,
    priority integer not null default 100,
    code_hash text not null,
    code_version integer not null,
    input_path text,
    output_path text,
    output_size integer,
    logs_path text,
    assets text default '{}',
    upstream_refs text default '{}',
    selected_next text default '[]',
    previous_attempts text default '[]',
    error text,
    error_code text,
    idempotency_key text,
    heartbeat_at integer,
    heartbeat_timeout_ms integer,
    scheduled_for integer,
    created_at integer not null default (unixepoch() * 1000000),
    started_at integer,
    completed_at integer,
    metadata text default '{}',

    first_run integer not null default 0,
    code_changed integer not null default 0,
    output_bytes integer,                    -- output_size is 32 bit where it is shared
    upstream_order text,                     -- order of the members of upstream_refs
    superseded_by text,                      -- the retry of its dead letter

    -- While it is pending, one of since and due is set.
    since integer,                           -- claimable since then
    due integer,                             -- claimable then: retries and schedules
    queue text,                              -- service id
    -- The task id where the task has a concurrency limit, so that a task at its
    -- limit costs a claim nothing and holds nobody back; otherwise empty.
    lane text not null default '',

    -- The lease of the attempt under way. Whoever clears owner ends the attempt;
    -- without an owner the rest means nothing. It is accepted once heartbeat_at
    -- is set.
    owner text,
    slot integer not null default 0,         -- counted in slots
    until integer,                           -- lost when silent until then
    deadline integer,                        -- lost then, whatever it says
    window_ms integer,                       -- what a heartbeat extends it by
    timeout_seconds integer,
    cancel integer not null default 0
);

insert into task_runs_new (seq, id, task_id, pipeline_run_id, status, attempt, max_retries, priority, code_hash, code_version,
    input_path, output_path, output_size, logs_path, assets, upstream_refs, selected_next, previous_attempts, error, error_code,
    idempotency_key, heartbeat_at, heartbeat_timeout_ms, scheduled_for, created_at, started_at, completed_at, metadata,
    first_run, code_changed, output_bytes, upstream_order, superseded_by,
    since, due, queue, lane, owner, slot, until, deadline, window_ms, timeout_seconds, cancel)
select t.seq, t.id, t.task_id, t.pipeline_run_id, t.status, t.attempt, t.max_retries, t.priority, t.code_hash, t.code_version,
    t.input_path, t.output_path, t.output_size, t.logs_path, t.assets, t.upstream_refs, t.selected_next, t.previous_attempts, t.error, t.error_code,
    t.idempotency_key, coalesce(t.heartbeat_at, l.accepted_at), t.heartbeat_timeout_ms, t.scheduled_for, t.created_at, t.started_at, t.completed_at, t.metadata,
    t.first_run, t.code_changed, t.output_bytes, t.upstream_order, t.superseded_by,
    iif(r.seq is null, null, coalesce(t.scheduled_for, t.created_at)), m.due, r.queue, coalesce(r.lane, ''),
    l.owner, coalesce(l.slot, 0), l.until, l.deadline, l.window_ms, l.timeout_seconds, coalesce(l.cancel, 0)
from task_runs t
    left join ready r on r.task_run_id = t.id
    left join lease l on l.task_run_id = t.id
    left join timer m on m.task_run_id = t.id
order by t.seq;

-- Dropping a table deletes its rows first, and with them what refers to them.
create table kept_claims as select id, claimed_by_run_id from temp_uploads where claimed_by_run_id is not null;
drop table ready;
drop table lease;
drop table timer;
drop table task_runs;
alter table task_runs_new rename to task_runs;
update temp_uploads set claimed_by_run_id = (select k.claimed_by_run_id from kept_claims k where k.id = temp_uploads.id)
    where id in (select id from kept_claims);
drop table kept_claims;

create index idx_task_runs_ready on task_runs (queue, lane, priority, seq) where since is not null;
create index idx_task_runs_leased on task_runs (task_id) where owner is not null;
create index idx_task_runs_due on task_runs (due) where due is not null;
create index idx_task_runs_scheduled on task_runs (seq) where due is not null;
create index idx_task_runs_task_id on task_runs (task_id);
create index idx_task_runs_rare on task_runs (status)
    where status = 'failed' or status = 'timeout' or status = 'cancelled' or status = 'waiting';
create index idx_task_runs_idempotency_key on task_runs (idempotency_key) where idempotency_key is not null;
-- One task run of each task counts in a run; its superseded ones differ by what superseded them.
create unique index uniq_task_runs_run_task on task_runs (pipeline_run_id, task_id, coalesce(superseded_by, ''))
    where pipeline_run_id is not null;

-- Narrow tables found by their key alone need no second tree.
create table run_state_new (
    pipeline_run_id text primary key references pipeline_runs (id) on delete cascade,
    failure_mode text not null check (failure_mode = 'fail-fast' or failure_mode = 'continue' or failure_mode = 'partial-merge'),
    entry_tasks text not null,
    priority integer,                        -- given by the trigger
    open integer not null,                   -- task runs that have not ended
    completed integer not null default 0,
    broken integer not null default 0,
    ends_completed integer not null default 0,
    end_output text
) without rowid;
insert into run_state_new select pipeline_run_id, failure_mode, entry_tasks, priority, open, completed, broken, ends_completed, end_output
    from run_state order by pipeline_run_id;
drop table run_state;
alter table run_state_new rename to run_state;

create table joins_new (
    pipeline_run_id text not null references pipeline_runs (id) on delete cascade,
    task_id text not null,
    fired integer not null default 0,
    dead integer not null default 0,
    broken integer not null default 0,
    primary key (pipeline_run_id, task_id)
) without rowid;
insert into joins_new select pipeline_run_id, task_id, fired, dead, broken from joins order by pipeline_run_id, task_id;
drop table joins;
alter table joins_new rename to joins;

drop table pipeline_runs_old; -- nothing refers to it any more
create index idx_pipeline_runs_pipeline_id on pipeline_runs (pipeline_id);
create index idx_pipeline_runs_created_at on pipeline_runs (created_at desc);
create index idx_pipeline_runs_rare on pipeline_runs (status, created_at)
    where status = 'running' or status = 'pending' or status = 'failed' or status = 'cancelled' or status = 'partial';

create table inputs_new (
    path text primary key,
    data blob not null,
    stored integer not null default 0,
    created_at integer not null default (unixepoch() * 1000000)
) without rowid;
insert into inputs_new select path, data, stored, created_at from inputs order by path;
drop table inputs;
alter table inputs_new rename to inputs;
