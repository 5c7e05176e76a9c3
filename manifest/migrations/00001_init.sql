-- +goose Up

-- What this host is asked to run. running is the local desired state (keep the
-- process up), enabled the remote one (give it work); neither implies the other.
CREATE TABLE entries (
  seq          INTEGER PRIMARY KEY AUTOINCREMENT,
  id           TEXT    NOT NULL UNIQUE CHECK (id <> ''),
  label        TEXT    NOT NULL CHECK (label <> ''),
  api_url      TEXT    NOT NULL CHECK (api_url <> ''),
  workspace_id TEXT    NOT NULL DEFAULT '',
  config_path  TEXT    NOT NULL UNIQUE CHECK (config_path <> ''),
  mode         TEXT    NOT NULL CHECK (mode IN ('workspace', 'pool')),
  running      INTEGER NOT NULL DEFAULT 1 CHECK (running IN (0, 1)),
  enabled      INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
  created_at   INTEGER NOT NULL
) STRICT;

-- The newest process of each worker. A row outlives its entry on purpose: a
-- process whose entry was removed while the daemon was away must be found.
-- pid 0 with live 1 = about to be started; live 0 = ended.
CREATE TABLE processes (
  id             TEXT    PRIMARY KEY CHECK (id <> ''),
  generation     INTEGER NOT NULL CHECK (generation > 0),
  live           INTEGER NOT NULL CHECK (live IN (0, 1)),
  pid            INTEGER NOT NULL DEFAULT 0,
  start_time     INTEGER NOT NULL DEFAULT 0,
  boot_id        TEXT    NOT NULL,
  spec_hash      TEXT    NOT NULL,
  fifo_out       TEXT    NOT NULL DEFAULT '',
  fifo_err       TEXT    NOT NULL DEFAULT '',
  started_at     INTEGER NOT NULL,
  restarts       INTEGER NOT NULL DEFAULT 0,
  total_restarts INTEGER NOT NULL DEFAULT 0,
  exit_at        INTEGER,
  exit_code      INTEGER,
  exit_signal    TEXT
) STRICT;

-- Long actions (upgrade, build) with their journal, so that a daemon that was
-- killed in the middle resumes or undoes them.
CREATE TABLE operations (
  id         TEXT    PRIMARY KEY,
  kind       TEXT    NOT NULL,
  entry_id   TEXT    NOT NULL DEFAULT '',
  status     TEXT    NOT NULL CHECK (status IN ('running', 'succeeded', 'failed', 'cancelled')),
  step       TEXT    NOT NULL DEFAULT '',
  input      TEXT    NOT NULL DEFAULT '{}',
  state      TEXT    NOT NULL DEFAULT '{}',
  error      TEXT    NOT NULL DEFAULT '',
  started_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  ended_at   INTEGER
) STRICT;
CREATE INDEX operations_running ON operations (started_at) WHERE status = 'running';

-- Recent events, bounded by the writer.
CREATE TABLE events (
  seq      INTEGER PRIMARY KEY AUTOINCREMENT,
  at       INTEGER NOT NULL,
  entry_id TEXT    NOT NULL DEFAULT '',
  type     TEXT    NOT NULL,
  data     TEXT    NOT NULL DEFAULT '{}'
) STRICT;

-- +goose Down
DROP TABLE events;
DROP TABLE operations;
DROP TABLE processes;
DROP TABLE entries;
