-- +goose Up

-- What a long action is doing, who asked for it, and whether it goes back.
ALTER TABLE operations ADD COLUMN asked_by TEXT NOT NULL DEFAULT '';
ALTER TABLE operations ADD COLUMN progress INTEGER NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 100);
ALTER TABLE operations ADD COLUMN message TEXT NOT NULL DEFAULT '';
ALTER TABLE operations ADD COLUMN fix TEXT NOT NULL DEFAULT '';
ALTER TABLE operations ADD COLUMN undoing INTEGER NOT NULL DEFAULT 0 CHECK (undoing IN (0, 1));
ALTER TABLE operations ADD COLUMN cancel INTEGER NOT NULL DEFAULT 0 CHECK (cancel IN (0, 1));
CREATE INDEX operations_by_age ON operations (started_at);

-- A number that goes up with every change of the entries, whichever program
-- makes it: whoever holds a copy of them sees at a glance whether it is good.
CREATE TABLE revisions (
  name TEXT    PRIMARY KEY,
  n    INTEGER NOT NULL
) STRICT;
INSERT INTO revisions (name, n) VALUES ('entries', 1);
-- +goose StatementBegin
CREATE TRIGGER entries_added AFTER INSERT ON entries BEGIN UPDATE revisions SET n = n + 1 WHERE name = 'entries'; END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER entries_changed AFTER UPDATE ON entries BEGIN UPDATE revisions SET n = n + 1 WHERE name = 'entries'; END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER entries_removed AFTER DELETE ON entries BEGIN UPDATE revisions SET n = n + 1 WHERE name = 'entries'; END;
-- +goose StatementEnd

-- +goose Down
DROP TRIGGER entries_removed;
DROP TRIGGER entries_changed;
DROP TRIGGER entries_added;
DROP TABLE revisions;
DROP INDEX operations_by_age;
ALTER TABLE operations DROP COLUMN cancel;
ALTER TABLE operations DROP COLUMN undoing;
ALTER TABLE operations DROP COLUMN fix;
ALTER TABLE operations DROP COLUMN message;
ALTER TABLE operations DROP COLUMN progress;
ALTER TABLE operations DROP COLUMN asked_by;
