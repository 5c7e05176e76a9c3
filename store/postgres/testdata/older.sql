-- A database as the older engine's own tool set it up: every table, column, default,
-- constraint, index, function and trigger of its documented layout, and some rows of
-- each kind. Written from the documentation, apart from our migrations, so that a
-- mistake in those shows.

create table schema_migrations (
    id serial primary key,
    version text not null unique,
    name text not null,
    checksum text not null,
    applied_at timestamptz not null default now(),
    execution_time_ms integer
);
create table orchestrator_state (
    id text primary key default 'singleton',
    mode text not null default 'running' check (mode in ('running','waiting_for_maintenance','maintenance')),
    mode_changed_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    pending_tasks_count integer default 0,
    running_tasks_count integer default 0,
    metadata jsonb default '{}'
);
create table services (
    id text primary key,
    base_url text not null,
    version text not null,
    status text not null default 'active' check (status in ('active','inactive','disconnected')),
    registered_at timestamptz not null default now(),
    last_heartbeat timestamptz,
    metadata jsonb default '{}'
);
create table tasks (
    id text primary key,
    service_id text not null references services (id) on delete cascade,
    allowed_next text[] default '{}',
    code_hash text not null,
    code_version integer not null default 1,
    concurrency integer not null default 0,
    description text,
    heartbeat_interval_ms integer not null default 60000,
    idempotency_ttl_seconds integer,
    input_schema jsonb default null,
    max_retry_delay_ms integer not null default 86400000,
    priority integer not null default 100,
    retries integer not null default 3,
    retry_backoff text not null default 'exponential' check (retry_backoff in ('fixed','exponential')),
    retry_delay_ms integer not null default 1000,
    timeout_seconds integer not null default 300,
    registered_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    metadata jsonb default '{}'
);
create table task_code_history (
    id serial primary key,
    task_id text not null references tasks (id) on delete cascade,
    service_version text not null,
    code_hash text not null,
    code_version integer not null,
    recorded_at timestamptz not null default now()
);
create table pipelines (
    id text primary key,
    name text not null,
    entry_tasks text[] not null,
    structure jsonb not null,
    failure_mode text not null default 'fail-fast' check (failure_mode in ('fail-fast','continue','partial-merge')),
    version text not null default '1.0.0',
    description text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    metadata jsonb default '{}'
);
create table pipeline_runs (
    id text primary key,
    pipeline_id text not null references pipelines (id) on delete cascade,
    status text not null default 'pending' check (status in ('pending','running','completed','failed','cancelled','partial')),
    structure_snapshot jsonb not null,
    pipeline_version text not null,
    input_path text,
    output_path text,
    error text,
    created_at timestamptz not null default now(),
    started_at timestamptz,
    completed_at timestamptz,
    metadata jsonb default '{}'
);
create table task_runs (
    id text primary key,
    task_id text not null references tasks (id) on delete cascade,
    pipeline_run_id text references pipeline_runs (id) on delete cascade,
    status text not null default 'pending' check (status in ('pending','running','completed','failed','timeout','cancelled','waiting')),
    attempt integer not null default 1,
    max_retries integer not null,
    priority integer not null default 100,
    code_hash text not null,
    code_version integer not null,
    input_path text,
    output_path text,
    output_size integer,
    logs_path text,
    assets jsonb default '{}',
    upstream_refs jsonb default '{}',
    selected_next text[] default '{}',
    previous_attempts jsonb default '[]',
    error text,
    error_code text,
    idempotency_key text,
    heartbeat_at timestamptz,
    heartbeat_timeout_ms integer,
    scheduled_for timestamptz,
    created_at timestamptz not null default now(),
    started_at timestamptz,
    completed_at timestamptz,
    metadata jsonb default '{}'
);
create table dlq (
    id text primary key,
    task_id text not null,
    task_run_id text not null,
    pipeline_run_id text,
    attempts integer not null,
    error text not null,
    code_hash text not null,
    code_version integer not null,
    previous_attempts jsonb not null,
    upstream_refs jsonb default '{}',
    input_path text,
    failed_at timestamptz not null default now(),
    retried_at timestamptz,
    retry_run_id text,
    metadata jsonb default '{}'
);
create table idempotency_cache (
    idempotency_key text primary key,
    task_id text not null,
    task_run_id text not null,
    output_path text not null,
    output_size integer,
    assets jsonb default '{}',
    code_version integer not null,
    cached_at timestamptz not null default now(),
    expires_at timestamptz not null
);
create table temp_uploads (
    id text primary key,
    storage_backend_id text not null,
    storage_path text not null,
    original_filename text,
    mime_type text,
    size_bytes bigint,
    uploaded_by text,
    uploaded_at timestamptz not null default now(),
    expires_at timestamptz not null,
    claimed_by_run_id text constraint temp_uploads_claimed_fk references task_runs (id) on delete set null,
    deleted_at timestamptz,
    metadata jsonb default '{}'
);
create index idx_schema_migrations_version on schema_migrations (version);
create index idx_schema_migrations_applied_at on schema_migrations (applied_at desc);
create index idx_orchestrator_state_mode on orchestrator_state (mode);
create index idx_services_status on services (status);
create index idx_services_last_heartbeat on services (last_heartbeat);
create index idx_tasks_service_id on tasks (service_id);
create index idx_tasks_code_hash on tasks (code_hash);
create index idx_tasks_code_version on tasks (code_version);
create index idx_tasks_input_schema on tasks using gin (input_schema) where input_schema is not null;
create index idx_task_code_history_task_id on task_code_history (task_id);
create index idx_task_code_history_version on task_code_history (task_id, code_version desc);
create index idx_pipelines_name on pipelines (name);
create index idx_pipeline_runs_pipeline_id on pipeline_runs (pipeline_id);
create index idx_pipeline_runs_status on pipeline_runs (status);
create index idx_pipeline_runs_created_at on pipeline_runs (created_at desc);
create index idx_task_runs_task_id on task_runs (task_id);
create index idx_task_runs_pipeline_run_id on task_runs (pipeline_run_id);
create index idx_task_runs_status on task_runs (status);
create index idx_task_runs_created_at on task_runs (created_at desc);
create index idx_task_runs_idempotency_key on task_runs (idempotency_key) where idempotency_key is not null;
create index idx_task_runs_scheduled_for on task_runs (scheduled_for) where scheduled_for is not null;
create index idx_task_runs_queue on task_runs (priority, created_at) where status = 'pending';
create index idx_dlq_task_id on dlq (task_id);
create index idx_dlq_pipeline_run_id on dlq (pipeline_run_id);
create index idx_dlq_failed_at on dlq (failed_at desc);
create index idx_dlq_retried_at on dlq (retried_at) where retried_at is not null;
create index idx_idempotency_cache_task_id on idempotency_cache (task_id);
create index idx_idempotency_cache_expires_at on idempotency_cache (expires_at);
create index idx_temp_uploads_expires_at on temp_uploads (expires_at);
create index idx_temp_uploads_claimed_by_run_id on temp_uploads (claimed_by_run_id) where claimed_by_run_id is not null;
create index idx_temp_uploads_deleted_at on temp_uploads (deleted_at) where deleted_at is not null;
create index idx_temp_uploads_cleanup on temp_uploads (expires_at, claimed_by_run_id, deleted_at) where deleted_at is null;

create function update_updated_at_column() returns trigger language plpgsql as $$
begin new.updated_at = current_timestamp; return new; end $$;
create function update_orchestrator_state_timestamp() returns trigger language plpgsql as $$
begin
    new.updated_at = current_timestamp;
    if old.mode <> new.mode then new.mode_changed_at = current_timestamp; end if;
    return new;
end $$;
create function cleanup_expired_idempotency_cache() returns integer language plpgsql as $$
declare n integer;
begin delete from idempotency_cache where expires_at < now(); get diagnostics n = row_count; return n; end $$;
create function cleanup_expired_temp_uploads() returns table (deleted_count integer, archived_count integer) language plpgsql as $$
begin return query select 0, 0; end $$;
create trigger update_tasks_updated_at before update on tasks for each row execute function update_updated_at_column();
create trigger update_pipelines_updated_at before update on pipelines for each row execute function update_updated_at_column();
create trigger update_orchestrator_state_updated_at before update on orchestrator_state
    for each row execute function update_orchestrator_state_timestamp();

insert into schema_migrations (version, name, checksum, execution_time_ms) values
    ('000', 'migration_tracking', '47949e3ddde295a1fb054b563810ad0704db212a18aede25a774641c31e8de58', 12),
    ('001', 'initial_schema', 'e6d6c11d0cfa1cd052976cc1857b94912cb6a9663359755a570820450aef44aa', 60),
    ('002', 'input_schemas_and_temp_uploads', 'c4985514d2aca505d722b23b0085f3e3bab10cf41cc4b8d24152609e37fa0480', 20);
insert into orchestrator_state (id) values ('singleton');
insert into services (id, base_url, version) values ('pdf', 'http://10.0.0.7:8080', '1.2.0');
insert into tasks (id, service_id, allowed_next, code_hash, code_version, concurrency, input_schema) values
    ('extract', 'pdf', '{merge}', '0123456789abcdef', 4, 0, '{"fields":[{"name":"url","type":"url","label":"URL"}]}'),
    ('scan', 'pdf', '{merge}', '0123456789abcdef', 1, 2, null),
    ('merge', 'pdf', '{}', 'fedcba9876543210', 2, 0, null);
insert into task_code_history (task_id, service_version, code_hash, code_version) values ('extract', '1.2.0', '0123456789abcdef', 4);
insert into pipelines (id, name, entry_tasks, structure, failure_mode) values
    ('pdf', 'PDF', '{extract,scan}', '{"extract":{"allowedNext":["merge"]},"scan":{"allowedNext":["merge"]},"merge":{"allowedNext":[]}}', 'continue');
insert into pipeline_runs (id, pipeline_id, status, structure_snapshot, pipeline_version, completed_at, metadata) values
    ('prun_done', 'pdf', 'completed', '{"extract":{"allowedNext":["merge"]},"merge":{"allowedNext":[]}}', '1.0.0', now(), '{"by":"cron"}'),
    ('prun_open', 'pdf', 'running', '{"extract":{"allowedNext":["merge"]},"merge":{"allowedNext":[]}}', '1.0.0', null, '{}');
insert into task_runs (id, task_id, pipeline_run_id, status, max_retries, code_hash, code_version, output_path, output_size, scheduled_for, completed_at) values
    ('trun_done', 'extract', 'prun_done', 'completed', 3, '0123456789abcdef', 4, 'runs/trun_done/output.json', 17, null, now()),
    ('trun_twice', 'merge', 'prun_done', 'completed', 3, 'fedcba9876543210', 2, null, null, null, now()),
    ('trun_again', 'merge', 'prun_done', 'completed', 3, 'fedcba9876543210', 2, null, null, null, now()),
    ('trun_open', 'extract', 'prun_open', 'running', 3, '0123456789abcdef', 4, null, null, null, null),
    ('trun_alone', 'scan', null, 'running', 3, '0123456789abcdef', 1, null, null, null, null),
    ('trun_later', 'scan', null, 'pending', 3, '0123456789abcdef', 1, null, null, now() + interval '1 day', null),
    ('trun_failed', 'scan', null, 'failed', 3, '0123456789abcdef', 1, null, null, null, now());
insert into dlq (id, task_id, task_run_id, attempts, error, code_hash, code_version, previous_attempts, retried_at) values
    ('dlq_open', 'scan', 'trun_failed', 3, 'boom', '0123456789abcdef', 1, '[{"attempt":1,"error":"boom","timestamp":"2026-01-02T03:04:05.678Z"}]', null),
    ('dlq_retried', 'scan', 'trun_gone', 3, 'boom', '0123456789abcdef', 1, '[]', now());
insert into idempotency_cache (idempotency_key, task_id, task_run_id, output_path, code_version, expires_at) values
    ('older-key', 'scan', 'trun_gone', 'runs/trun_gone/output.json', 1, now() + interval '1 day'),
    ('stale-key', 'scan', 'trun_gone', 'runs/trun_gone/output.json', 1, now() - interval '1 day');
insert into temp_uploads (id, storage_backend_id, storage_path, expires_at) values
    ('tmp_aaaaaaaaaaaaaaaaaaaaa', 'main', 'temp-uploads/tmp_aaaaaaaaaaaaaaaaaaaaa/a.pdf', now() + interval '1 hour');
