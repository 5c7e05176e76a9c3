-- +goose Up
-- A task run is written at least three times: queued, running, ended. An update
-- that changes no indexed column and finds room on its page touches no index
-- (HOT). So no index of task_runs and pipeline_runs may mention a column that
-- changes, not even in its predicate; and their pages keep room for the versions
-- to come. (They need no more pages for that: what does not fit goes elsewhere.)
drop index if exists idx_task_runs_status, idx_task_runs_queue, idx_task_runs_scheduled_for, idx_task_runs_created_at,
    idx_task_runs_pipeline_run_id, idx_pipeline_runs_status, uniq_task_runs_run_task;
create unique index uniq_task_runs_run_task on task_runs (pipeline_run_id, task_id, coalesce(superseded_by, ''))
    where pipeline_run_id is not null;
create index idx_task_runs_created_at on task_runs using brin (created_at) with (autosummarize = on);
alter table task_runs set (fillfactor = 35);
alter table pipeline_runs set (fillfactor = 60);

drop index if exists idx_services_last_heartbeat; -- services are few and heard of all the time

alter table ready add column since timestamptz not null default now(); -- claimable since

-- Every insert under a foreign key locks the row it refers to, one statement a
-- row, and those who insert for the same task or pipeline get in each other's
-- way. The engine reads what it refers to in the same transaction and removes
-- none of it; what the keys did when another program deletes is done below.
-- +goose StatementBegin
do $$
declare
    key record;
begin
    for key in select conrelid::regclass as tab, conname from pg_constraint where contype = 'f'
        and conrelid in ('task_runs'::regclass, 'pipeline_runs'::regclass, 'run_state'::regclass, 'joins'::regclass)
    loop
        execute format('alter table %s drop constraint %I', key.tab, key.conname);
    end loop;
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
create function delete_runs_of_deleted() returns trigger language plpgsql as $$
begin
    case tg_table_name
    when 'tasks' then
        delete from task_runs where task_id in (select id from gone);
    when 'pipelines' then
        delete from pipeline_runs where pipeline_id in (select id from gone);
    when 'pipeline_runs' then
        delete from task_runs where pipeline_run_id in (select id from gone);
        delete from run_state where pipeline_run_id in (select id from gone);
        delete from joins where pipeline_run_id in (select id from gone);
    end case;
    return null;
end $$;
-- +goose StatementEnd
create trigger delete_runs_of_deleted_tasks after delete on tasks
    referencing old table as gone for each statement execute function delete_runs_of_deleted();
create trigger delete_runs_of_deleted_pipelines after delete on pipelines
    referencing old table as gone for each statement execute function delete_runs_of_deleted();
create trigger delete_tasks_of_deleted_runs after delete on pipeline_runs
    referencing old table as gone for each statement execute function delete_runs_of_deleted();

-- Small tables that live by their vacuum, and rows that many steps update.
alter table run_state set (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
alter table joins set (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
alter table counters set (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
alter table slots set (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
insert into counters (shard) select generate_series(16, 63);

-- Task runs that ended without completing, in the order of lists. They are few,
-- and an index of task_runs over a status would cost every run.
create table broken (
    status text not null,
    priority integer not null,
    seq bigint not null,
    task_run_id text not null,
    primary key (status, priority, seq)
);
insert into broken (status, priority, seq, task_run_id)
    select status, priority, seq, id from task_runs where status in ('failed', 'timeout', 'cancelled');
-- +goose StatementBegin
create function forget_deleted_runs() returns trigger language plpgsql as $$
begin
    delete from broken b using gone g where b.status = g.status and b.priority = g.priority and b.seq = g.seq;
    return null;
end $$;
-- +goose StatementEnd
create trigger forget_deleted_task_runs after delete on task_runs
    referencing old table as gone for each statement execute function forget_deleted_runs();

-- Slots given back. Whoever ends attempts adds a row and waits for nobody; the
-- next claim, which holds the row in slots anyway, takes them off its count.
create table freed (
    task_id text not null,
    n integer not null
) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
create index idx_freed_task_id on freed (task_id);
