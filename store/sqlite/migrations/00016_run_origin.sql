-- +goose Up
-- Who started a run, in words for people; empty of runs that began before.
alter table run_state add column triggered_by text not null default '';

-- The newest runs of one pipeline are found without reading all of them.
create index idx_pipeline_runs_recent on pipeline_runs (pipeline_id, created_at desc, id desc);
drop index idx_pipeline_runs_pipeline_id;
