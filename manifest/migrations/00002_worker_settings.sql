-- +goose Up

-- What one worker is given instead of the daemon's defaults, as JSON: working
-- directory, environment without secrets, stop grace, restart policy, limits.
ALTER TABLE entries ADD COLUMN settings TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(settings));

-- How a process ended, in one word, and why when it never ran; and the control
-- group it was started in.
ALTER TABLE processes ADD COLUMN exit_how TEXT NOT NULL DEFAULT '';
ALTER TABLE processes ADD COLUMN exit_detail TEXT NOT NULL DEFAULT '';
ALTER TABLE processes ADD COLUMN cgroup TEXT NOT NULL DEFAULT '';

-- How the last processes of each worker ended; the writer keeps it short.
CREATE TABLE exits (
  seq         INTEGER PRIMARY KEY AUTOINCREMENT,
  id          TEXT    NOT NULL,
  generation  INTEGER NOT NULL,
  started_at  INTEGER NOT NULL,
  exit_at     INTEGER NOT NULL,
  exit_code   INTEGER,
  exit_signal TEXT,
  exit_how    TEXT    NOT NULL,
  exit_detail TEXT    NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX exits_of_worker ON exits (id, seq);

-- +goose Down
DROP TABLE exits;
ALTER TABLE processes DROP COLUMN cgroup;
ALTER TABLE processes DROP COLUMN exit_detail;
ALTER TABLE processes DROP COLUMN exit_how;
ALTER TABLE entries DROP COLUMN settings;
