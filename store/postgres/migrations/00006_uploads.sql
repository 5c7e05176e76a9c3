-- +goose Up
-- Which uploads an input names. Every task run with that input may use them.
create table upload_uses (
    input_path text not null,
    upload_id text not null references temp_uploads (id) on delete cascade,
    primary key (input_path, upload_id)
);
create index idx_upload_uses_upload_id on upload_uses (upload_id);
-- True until the object of an upload is written.
alter table temp_uploads add column pending boolean not null default false;
