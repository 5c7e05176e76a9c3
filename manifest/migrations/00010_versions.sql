-- +goose Up

-- The version an entry runs; '' is the default program of the host.
ALTER TABLE entries ADD COLUMN version TEXT NOT NULL DEFAULT '';

-- What lies under versions/, written after its folder has its final name and
-- taken out before the folder goes: a folder without a row is a leftover.
CREATE TABLE installed_versions (
  program      TEXT    NOT NULL CHECK (program <> ''),
  version      TEXT    NOT NULL CHECK (version <> ''),
  kind         TEXT    NOT NULL CHECK (kind IN ('archive', 'npm', 'local')),
  path         TEXT    NOT NULL CHECK (path <> ''),
  reports      TEXT    NOT NULL DEFAULT '',
  sha256       TEXT    NOT NULL CHECK (length(sha256) = 64),
  tree_sha256  TEXT    NOT NULL CHECK (length(tree_sha256) = 64),
  size         INTEGER NOT NULL,
  source       TEXT    NOT NULL DEFAULT '',
  channel      TEXT    NOT NULL DEFAULT '',
  sequence     INTEGER NOT NULL DEFAULT 0,
  installed_at INTEGER NOT NULL,
  used_at      INTEGER NOT NULL,
  PRIMARY KEY (program, version)
) STRICT;

-- The keys that a control plane's releases were believed by. One is believed
-- now; the others are what it came from.
CREATE TABLE release_keys (
  seq        INTEGER PRIMARY KEY AUTOINCREMENT,
  api_url    TEXT    NOT NULL CHECK (api_url <> ''),
  key_id     TEXT    NOT NULL CHECK (key_id <> ''),
  public_key TEXT    NOT NULL CHECK (public_key <> ''),
  how        TEXT    NOT NULL CHECK (how IN ('enrolled', 'first-use', 'rotated', 'person')),
  pinned_at  INTEGER NOT NULL,
  retired_at INTEGER
) STRICT;
CREATE UNIQUE INDEX release_keys_pinned ON release_keys (api_url) WHERE retired_at IS NULL;

-- The highest number of a release that was believed: nothing older is taken
-- for the newest.
CREATE TABLE release_sequences (
  api_url  TEXT    NOT NULL CHECK (api_url <> ''),
  program  TEXT    NOT NULL CHECK (program <> ''),
  channel  TEXT    NOT NULL CHECK (channel <> ''),
  sequence INTEGER NOT NULL CHECK (sequence > 0),
  version  TEXT    NOT NULL,
  seen_at  INTEGER NOT NULL,
  PRIMARY KEY (api_url, program, channel)
) STRICT;

-- The versions that did not work here, so that nothing tries them again by
-- itself. subject is an entry's id, or '' for the program of the host itself.
CREATE TABLE failed_versions (
  subject   TEXT    NOT NULL,
  program   TEXT    NOT NULL CHECK (program <> ''),
  version   TEXT    NOT NULL CHECK (version <> ''),
  reason    TEXT    NOT NULL DEFAULT '',
  failed_at INTEGER NOT NULL,
  PRIMARY KEY (subject, program, version)
) STRICT;

-- +goose Down
DROP TABLE failed_versions;
DROP TABLE release_sequences;
DROP INDEX release_keys_pinned;
DROP TABLE release_keys;
DROP TABLE installed_versions;
ALTER TABLE entries DROP COLUMN version;
