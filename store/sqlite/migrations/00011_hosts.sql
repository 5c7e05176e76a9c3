-- +goose Up
-- The machines whose daemons joined. A worker belongs to the one of the name
-- that keeps it.
create table hosts (
    id text primary key,
    workspace_id text not null references workspaces (id) on delete cascade,
    name text not null,
    label text not null default '',
    os text not null default '',
    arch text not null default '',
    os_version text not null default '',
    version text not null default '',
    capabilities text not null default '[]',
    last_seen_at integer,
    skew_ms integer not null default 0,
    note text not null default '',
    news integer not null default 0, -- grows with everything that the host is to hear of at once
    registered_at integer not null default (unixepoch() * 1000000),
    revoked_at integer,
    revoked_by text not null default '',
    unique (workspace_id, name)
);
insert into hosts (id, workspace_id, name, label, os, registered_at)
    select 'host_' || lower(hex(randomblob(12))), w.workspace_id, w.kept_by, min(w.label), min(w.os), min(w.registered_at)
    from (select *, coalesce(nullif(host, ''), hostname) as kept_by from workers where deleted_at is null) w
    where exists (select 1 from tokens t where t.worker_id = w.id and t.kind = 'hos' and t.revoked_at is null)
    group by w.workspace_id, w.kept_by;

-- Why a worker gets no new runs; it gets some again when it has none of these.
create table worker_holds (
    worker_id text not null references workers (id) on delete cascade,
    by_what text not null, -- '' for a person, 'host' for one who paused the host, or an operation
    who text not null default '',
    note text not null default '',
    since integer not null default (unixepoch() * 1000000),
    until integer,
    primary key (worker_id, by_what)
);
insert into worker_holds (worker_id, by_what) select w.id, '' from workers w where w.disabled <> 0;
alter table workers drop column disabled;
