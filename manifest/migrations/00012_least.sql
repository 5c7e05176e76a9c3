-- +goose Up

-- The least migration that a program must know to work with this file; see
-- Schema. Older programs refuse whatever is newer than they are.
PRAGMA user_version = 12;

-- +goose Down
PRAGMA user_version = 0;
