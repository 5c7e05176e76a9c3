-- +goose Up
-- Tokens that admit one worker each, as SHA-256 in hex.
create table registrations (
    id text primary key,
    workspace_id text not null references workspaces (id) on delete cascade,
    secret_hash text not null unique,
    host text not null default '',
    label text not null default '',
    minted_by text not null default '',
    created_at integer not null default (unixepoch() * 1000000),
    expires_at integer not null,
    used_at integer,
    worker_id text references workers (id) on delete set null
);
create index idx_registrations_expires_at on registrations (expires_at);
create index idx_registrations_worker_id on registrations (worker_id) where worker_id is not null;
-- The host that keeps a worker, by the hostname it was enrolled with; empty for
-- the worker of that hostname itself.
alter table workers add column host text not null default '';
