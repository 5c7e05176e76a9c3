-- +goose Up
-- Versions on their way over hosts.
create table rollouts (
    id text primary key,
    workspace_id text not null references workspaces (id) on delete cascade,
    program text not null,
    version text not null,
    channel text not null default '',
    kind text not null check (kind in ('upgrade', 'rollback')),
    rollback_of text references rollouts (id) on delete set null,
    status text not null check (status in ('running', 'paused', 'aborting', 'succeeded', 'failed', 'aborted')),
    reason text not null default '',
    canary integer not null,
    max_unavailable integer not null,
    max_failures integer not null,
    host_deadline_ms integer not null,
    force_after_ms integer not null default 0,
    note text not null default '',
    created_by text not null default '',
    created_at integer not null,
    updated_at integer not null,
    ended_at integer
);
-- One at a time of a program. One that is aborted is in nobody's way: a host
-- that has not answered yet is given no other order before it does.
create unique index uniq_rollouts_program on rollouts (workspace_id, program) where status in ('running', 'paused');
create index idx_rollouts_open on rollouts (id) where status in ('running', 'paused', 'aborting');
create index idx_rollouts_created_at on rollouts (workspace_id, created_at desc, id desc);
create index idx_rollouts_rollback_of on rollouts (rollback_of) where rollback_of is not null;

create table rollout_targets (
    rollout_id text not null references rollouts (id) on delete cascade,
    position integer not null, -- the order of turns
    host_id text not null references hosts (id) on delete cascade,
    version text not null,
    from_versions text not null default '[]',
    state text not null check (state in ('waiting', 'ordered', 'running', 'withdrawing', 'overdue',
        'succeeded', 'failed', 'refused', 'withdrawn', 'skipped')),
    canary integer not null default 0,
    forgiven integer not null default 0,
    order_id text unique,
    settled integer not null default 0, -- the host has said its last word about the order
    attempts integer not null default 0,
    ordered_at integer,
    deadline integer,
    ended_at integer,
    error text not null default '',
    -- as the host says
    step text not null default '',
    message text not null default '',
    progress integer not null default 0,
    workers text not null default '[]',
    reported_at integer,
    primary key (rollout_id, position),
    unique (rollout_id, host_id)
);
create index idx_rollout_targets_host_id on rollout_targets (host_id);
create index idx_rollout_targets_orders on rollout_targets (host_id) where order_id is not null and not settled and state <> 'skipped';
