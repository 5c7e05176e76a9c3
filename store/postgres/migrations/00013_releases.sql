-- +goose Up
-- The history of the key that signs releases: the first one, and each that took
-- its place, with the statement that the one before signed.
create table release_keys (
    seq integer primary key,
    key_id text not null unique,
    public_key text not null,
    statement text,
    added_at timestamptz not null,
    added_by text not null default ''
);
-- Signed releases. One exists for hosts once published_at is set: then the bytes
-- of all its artifacts are in storage.
create table releases (
    id text primary key,
    program text not null,
    version text not null,
    channel text not null,
    sequence bigint not null,
    key_id text not null,
    digest text not null,
    envelope text not null,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    added_at timestamptz not null,
    added_by text not null default '',
    published_at timestamptz,
    yanked_at timestamptz,
    yanked_by text not null default '',
    yank_reason text not null default '',
    unique (program, channel, sequence)
);
create index idx_releases_version on releases (program, version);
create table release_artifacts (
    release_id text not null references releases (id) on delete cascade,
    name text not null,
    os text not null,
    arch text not null,
    format text not null,
    size bigint not null,
    sha256 text not null,
    backend text not null default '',
    path text not null default '',
    primary key (release_id, name)
);
create index idx_release_artifacts_sha256 on release_artifacts (sha256);
