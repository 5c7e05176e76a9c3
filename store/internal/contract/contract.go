// Package contract names the tables and columns that other programs read. Both
// stores create them, and `db validate` looks whether they are still there.
package contract

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
)

// Tables are the documented tables with their columns. What an engine adds to
// them, or keeps in tables of its own, is not listed.
var Tables = map[string][]string{
	"schema_migrations":  {"id", "version", "name", "checksum", "applied_at", "execution_time_ms"},
	"orchestrator_state": {"id", "mode", "mode_changed_at", "updated_at", "pending_tasks_count", "running_tasks_count", "metadata"},
	"services":           {"id", "base_url", "version", "status", "registered_at", "last_heartbeat", "metadata"},
	"tasks": {
		"id", "service_id", "allowed_next", "code_hash", "code_version", "concurrency", "description", "heartbeat_interval_ms",
		"idempotency_ttl_seconds", "input_schema", "max_retry_delay_ms", "priority", "retries", "retry_backoff", "retry_delay_ms",
		"timeout_seconds", "registered_at", "updated_at", "metadata",
	},
	"task_code_history": {"id", "task_id", "service_version", "code_hash", "code_version", "recorded_at"},
	"pipelines": {
		"id", "name", "entry_tasks", "structure", "failure_mode", "version", "description", "created_at", "updated_at", "metadata",
	},
	"pipeline_runs": {
		"id", "pipeline_id", "status", "structure_snapshot", "pipeline_version", "input_path", "output_path", "error", "created_at",
		"started_at", "completed_at", "metadata",
	},
	"task_runs": {
		"id", "task_id", "pipeline_run_id", "status", "attempt", "max_retries", "priority", "code_hash", "code_version", "input_path",
		"output_path", "output_size", "logs_path", "assets", "upstream_refs", "selected_next", "previous_attempts", "error", "error_code",
		"idempotency_key", "heartbeat_at", "heartbeat_timeout_ms", "scheduled_for", "created_at", "started_at", "completed_at", "metadata",
	},
	"dlq": {
		"id", "task_id", "task_run_id", "pipeline_run_id", "attempts", "error", "code_hash", "code_version", "previous_attempts",
		"upstream_refs", "input_path", "failed_at", "retried_at", "retry_run_id", "metadata",
	},
	"idempotency_cache": {
		"idempotency_key", "task_id", "task_run_id", "output_path", "output_size", "assets", "code_version", "cached_at", "expires_at",
	},
	"temp_uploads": {
		"id", "storage_backend_id", "storage_path", "original_filename", "mime_type", "size_bytes", "uploaded_by", "uploaded_at",
		"expires_at", "claimed_by_run_id", "deleted_at", "metadata",
	},
}

// Missing compares the columns that a database has, by table, with the
// documented ones, and returns a sentence for each that is not there.
func Missing(have map[string][]string) []string {
	var out []string
	for _, table := range slices.Sorted(maps.Keys(Tables)) {
		columns, there := have[table]
		if !there {
			out = append(out, fmt.Sprintf("table %s is missing", table))
			continue
		}
		for _, column := range Tables[table] {
			if !slices.Contains(columns, column) {
				out = append(out, fmt.Sprintf("column %s.%s is missing", table, column))
			}
		}
	}
	return out
}

var creates = regexp.MustCompile(`(?im)^create (?:or replace )?(?:unlogged )?(table|sequence|function) (?:if not exists )?([a-z_]+)`)

// Created lists what migrations create, by kind ("table", "sequence",
// "function"), so that a reset forgets nothing.
func Created(migrations ...string) map[string][]string {
	out := map[string][]string{}
	for _, text := range migrations {
		for _, found := range creates.FindAllStringSubmatch(text, -1) {
			kind, name := found[1], found[2]
			if !slices.Contains(out[kind], name) {
				out[kind] = append(out[kind], name)
			}
		}
	}
	return out
}
