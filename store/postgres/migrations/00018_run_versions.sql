-- +goose Up
-- The runs of one version are counted and listed without reading the others.
-- Neither column ever changes.
create index idx_pipeline_runs_version on pipeline_runs (pipeline_version, created_at desc, id desc);
