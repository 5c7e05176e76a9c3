-- +goose Up
-- Workspaces with a way to pay for models, and the pool of workers that belongs
-- to none of them.
alter table workspaces add column auth_mode text not null default 'api_key' check (auth_mode in ('api_key', 'claude_max'));
create unique index uniq_workspaces_name on workspaces (name);
alter table environments add column created_at integer not null default 0;
update environments set created_at = (select created_at from workspaces where id = workspace_id);
create unique index uniq_environments_name on environments (workspace_id, name);
insert into workspaces (id, name) values ('ws_pool', 'pool workers');
-- Where the hosts of a code or a pairing go, unless to the first environment.
alter table enrollments add column environment_id text references environments (id) on delete set null;
create index idx_enrollments_environment_id on enrollments (environment_id) where environment_id is not null;

alter table registrations add column revoked_at integer;
create index idx_tokens_operators on tokens (created_at desc) where kind in ('pwk', 'pop');

-- Who did what. Workspaces are named, not referred to: lines outlive them.
create table audit (
    seq integer primary key autoincrement,
    at integer not null,
    actor text not null default '',
    kind text not null default '',
    role text not null default '',
    token text not null default '',
    action text not null,
    object text not null default '',
    workspace_id text not null default '',
    address text not null default '',
    outcome text not null check (outcome in ('ok', 'refused', 'failed')),
    code text not null default '',
    request_id text not null default '',
    detail text not null default ''
);
create index idx_audit_at on audit (at);
