-- +goose Up

-- The journal of adoptions: what ran a worker before this host's daemon did,
-- so that an adoption that was cut off goes on, and one can be undone. A row
-- that is 'taking-over' or 'undoing' keeps its worker from being started.
CREATE TABLE adoptions (
  seq         INTEGER PRIMARY KEY AUTOINCREMENT,
  entry_id    TEXT    NOT NULL CHECK (entry_id <> ''),
  config_path TEXT    NOT NULL CHECK (config_path <> ''),
  status      TEXT    NOT NULL CHECK (status IN ('taking-over', 'adopted', 'undoing', 'undone', 'failed')),
  step        TEXT    NOT NULL DEFAULT '',
  state       TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(state)),
  error       TEXT    NOT NULL DEFAULT '',
  started_at  INTEGER NOT NULL,
  updated_at  INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX adoptions_open ON adoptions (entry_id) WHERE status IN ('taking-over', 'undoing');

-- +goose Down
DROP TABLE adoptions;
