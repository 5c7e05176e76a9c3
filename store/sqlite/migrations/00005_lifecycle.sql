-- +goose Up
-- Ways back from a failure.

create index idx_dlq_task_run_id on dlq (task_run_id);
create index idx_dlq_open on dlq (failed_at desc, id desc) where retried_at is null;

-- +goose StatementBegin
create trigger count_retried_dead_letters after update of retried_at on dlq
    when old.retried_at is null and new.retried_at is not null begin
    update counters set dead_letters = dead_letters - 1 where shard = 0;
end;
-- +goose StatementEnd

-- Keys of task runs that are open: whoever asks for the same is given that one.
create table idempotency_open (
    idempotency_key text primary key,
    task_run_id text not null
);
create index idx_idempotency_open_task_run_id on idempotency_open (task_run_id);

-- Keys of triggers, scoped by pipeline, and the run that has each.
create table run_keys (
    idempotency_key text primary key,
    pipeline_run_id text not null,
    claimed_at integer not null default (unixepoch() * 1000000)
);
create index idx_run_keys_claimed_at on run_keys (claimed_at);

alter table idempotency_cache add column output_bytes integer; -- output_size is 32 bit
alter table idempotency_cache add column output_sha256 text;

-- Where a claimable task run stands: by its priority, or before everything when
-- it has waited so long that it was lifted.
alter table task_runs add column lifted integer not null default 0;
alter table task_runs add column place integer generated always as (iif(lifted, -2147483648, priority)) virtual;
drop index idx_task_runs_ready;
create index idx_task_runs_ready on task_runs (queue, lane, place, seq) where since is not null;
