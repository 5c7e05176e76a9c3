-- +goose Up

-- When the process was asked to end, 0 when it was not: a daemon that takes it
-- over while it drains goes on waiting and does not ask again, for many a
-- program takes a second request as "now".
ALTER TABLE processes ADD COLUMN asked_at INTEGER NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE processes DROP COLUMN asked_at;
