-- +goose Up
-- Ways back from a failure.

create index idx_dlq_task_run_id on dlq (task_run_id);
create index idx_dlq_open on dlq (failed_at desc, id desc) where retried_at is null;

-- A dead letter counts until it is retried, whoever does that.
-- +goose StatementBegin
create function count_retried_dead_letters() returns trigger language plpgsql as $$
begin
    update counters set dead_letters = dead_letters - (
        select count(*) from was join is_now using (id) where was.retried_at is null and is_now.retried_at is not null)
    where shard = 0;
    return null;
end $$;
-- +goose StatementEnd
create trigger count_retried_dead_letters after update on dlq
    referencing old table as was new table as is_now for each statement execute function count_retried_dead_letters();
