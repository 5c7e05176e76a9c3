-- +goose Up
-- The control plane's side of enrolled hosts. Secrets are SHA-256 in hex.

create table workspaces (
    id text primary key,
    name text not null,
    created_at integer not null default (unixepoch() * 1000000)
);
create table environments (
    id text primary key,
    workspace_id text not null references workspaces (id) on delete cascade,
    name text not null
);
create index idx_environments_workspace_id on environments (workspace_id);
insert into workspaces (id, name) values ('ws_default', 'default');
insert into environments (id, workspace_id, name) values ('env_default', 'ws_default', 'default');

create table workers (
    id text primary key,
    workspace_id text not null references workspaces (id) on delete cascade,
    hostname text not null,
    label text not null default '',
    os text not null default '',
    version text not null default '',
    disabled integer not null default 0,
    current_run text not null default '',
    last_seen_at integer,
    registered_at integer not null default (unixepoch() * 1000000),
    deleted_at integer
);
create unique index uniq_workers_hostname on workers (workspace_id, hostname) where deleted_at is null;

create table enrollments (
    id text primary key,
    workspace_id text not null references workspaces (id) on delete cascade,
    kind text not null check (kind in ('device', 'code')),
    secret_hash text not null unique,
    user_code text,
    label text not null default '',
    status text not null check (status in ('pending', 'approved', 'denied', 'redeemed', 'revoked')),
    address text not null default '',
    user_agent text not null default '',
    hostname text not null default '',
    os text not null default '',
    interval_ms integer not null default 0,
    last_poll_at integer,
    created_at integer not null default (unixepoch() * 1000000),
    expires_at integer not null,
    decided_at integer,
    decided_by text not null default '',
    worker_id text references workers (id) on delete set null
);
create unique index uniq_enrollments_user_code on enrollments (user_code) where user_code is not null;
create index idx_enrollments_created_at on enrollments (created_at desc);

create table tokens (
    hash text primary key,
    kind text not null,
    role text not null default '',
    name text not null default '',
    workspace_id text not null references workspaces (id) on delete cascade,
    worker_id text references workers (id) on delete cascade,
    last_four text not null default '',
    created_at integer not null default (unixepoch() * 1000000),
    expires_at integer,
    revoked_at integer,
    last_used_at integer
);
create index idx_tokens_worker_id on tokens (worker_id) where worker_id is not null;

create table worker_events (
    seq integer primary key autoincrement,
    worker_id text not null references workers (id) on delete cascade,
    type text not null,
    at integer not null default (unixepoch() * 1000000),
    data text
);
create index idx_worker_events_worker_id on worker_events (worker_id, seq);
