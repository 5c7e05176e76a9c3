-- +goose Up
-- Ways back from a failure.

create index idx_dlq_task_run_id on dlq (task_run_id);
create index idx_dlq_open on dlq (failed_at desc, id desc) where retried_at is null;

-- +goose StatementBegin
create trigger count_retried_dead_letters after update of retried_at on dlq
    when old.retried_at is null and new.retried_at is not null begin
    update counters set dead_letters = dead_letters - 1 where shard = 0;
end;
-- +goose StatementEnd
