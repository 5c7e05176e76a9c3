-- +goose Up
-- What an output must hash to wherever it is read; null when its worker did
-- not say. Those of assets are in task_runs.assets.
alter table task_runs add column output_sha256 text;
