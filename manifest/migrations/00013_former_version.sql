-- +goose Up

-- What an entry ran before its last upgrade, and a rollback goes back to: ''
-- is the default program of the host, NULL that there is nothing.
ALTER TABLE entries ADD COLUMN former_version TEXT;

-- Programs that know of migration 12 can work with this.
PRAGMA user_version = 12;

-- +goose Down
ALTER TABLE entries DROP COLUMN former_version;
