-- +goose Up
-- What workers say happened in task runs, in the order it came. A worker sends
-- what it is not sure of again, so (task run, attempt, seq) is told once. Kept
-- for a while and deleted with the task run; no foreign key, so that writing
-- them never waits for the rows that claims and reports change.
create table run_events (
    id bigint generated always as identity primary key,
    task_run_id text not null,
    attempt integer not null,
    seq bigint not null,
    type text not null,
    at timestamptz not null,
    payload text not null,                   -- JSON
    received_at timestamptz not null default now()
);
create unique index uniq_run_events_seq on run_events (task_run_id, attempt, seq);
create index idx_run_events_task_run_id on run_events (task_run_id, id);

-- A worker's token is replaced in two steps, so that an answer that is lost
-- loses no worker: the new one names the one it replaces, which ends once the
-- new one is used. rotate asks the worker to do so.
alter table tokens add column replaces text;
alter table tokens add column rotate boolean not null default false;
