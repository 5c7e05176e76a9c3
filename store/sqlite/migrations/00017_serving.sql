-- +goose Up
-- Which service a worker serves, and in which version of it, as it said last.
-- The version is empty of a worker that claimed for a service before it was
-- heard to register it.
alter table workers add column service_id text not null default '';
alter table workers add column service_version text not null default '';
alter table workers add column serving_since integer;
