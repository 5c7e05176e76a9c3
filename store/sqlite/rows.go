package sqlite

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"pipedai/pipeline"
	"pipedai/store"
	"pipedai/store/internal/flow"
)

// How values sit in columns: times as microseconds since 1970, JSON and lists
// as JSON text, absent things as NULL.

func us(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

func text[S ~string](s S) any {
	if s == "" {
		return nil
	}
	return string(s)
}

func list[S ~string](v []S) string {
	if v == nil {
		v = []S{}
	}
	return jsonText(v)
}

// jsonText encodes values that always encode.
func jsonText(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return "null"
	}
	return string(b)
}

// Destinations for Scan.

type timeCol struct{ to *time.Time }

func (c timeCol) Scan(v any) error {
	n, err := intOf(v)
	if err == nil && v != nil {
		*c.to = time.UnixMicro(n).UTC()
	}
	return err
}

// intOf is an integer, or 0 for NULL.
func intOf(v any) (int64, error) {
	switch v := v.(type) {
	case nil:
		return 0, nil
	case int64:
		return v, nil
	default:
		return 0, fmt.Errorf("%T is no integer", v)
	}
}

type textCol[S ~string] struct{ to *S }

func (c textCol[S]) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*c.to = ""
	case string:
		*c.to = S(v)
	case []byte:
		*c.to = S(v)
	default:
		return fmt.Errorf("%T is no text", v)
	}
	return nil
}

func asText[S ~string](to *S) textCol[S] { return textCol[S]{to} }

// jsonCol decodes JSON text; NULL leaves the destination alone.
type jsonCol struct{ to any }

func (c jsonCol) Scan(v any) error {
	var s string
	switch v := v.(type) {
	case nil:
		return nil
	case string:
		s = v
	case []byte:
		s = string(v)
	default:
		return fmt.Errorf("%T is no JSON text", v)
	}
	// Most are empty, and most that are not are kept as they are.
	switch to := c.to.(type) {
	case *json.RawMessage:
		*to = json.RawMessage(s)
		return nil
	case *map[string]store.Asset:
		if s == "{}" {
			return nil
		}
	case *[]store.PastAttempt:
		if s == "[]" {
			return nil
		}
	case *[]pipeline.TaskID:
		if s == "[]" {
			*to = []pipeline.TaskID{}
			return nil
		}
	}
	return json.Unmarshal([]byte(s), c.to)
}

// upstream puts the members of upstream_refs in the order of upstream_order,
// the column after it. In a run of many steps they are the most of a row.
type upstream struct {
	to    *store.UpstreamRefs
	named map[pipeline.TaskID]store.Upstream
}

type (
	refsCol  struct{ *upstream }
	orderCol struct{ *upstream }
)

func (c refsCol) Scan(v any) error {
	if v == "{}" {
		return nil
	}
	return jsonCol{&c.named}.Scan(v)
}

func (c orderCol) Scan(v any) error {
	if len(c.named) == 0 {
		return nil
	}
	var order []pipeline.TaskID
	if err := (jsonCol{&order}).Scan(v); err != nil {
		return err
	}
	refs := make(store.UpstreamRefs, 0, len(c.named))
	for _, task := range order {
		if up, named := c.named[task]; named {
			up.Task = task
			refs = append(refs, up)
			delete(c.named, task)
		}
	}
	for _, task := range slices.Sorted(maps.Keys(c.named)) { // none, unless somebody else wrote the row
		up := c.named[task]
		up.Task = task
		refs = append(refs, up)
	}
	*c.to = refs
	return nil
}

type millis struct{ to *time.Duration }

func (c millis) Scan(v any) error {
	n, err := intOf(v)
	*c.to = time.Duration(n) * time.Millisecond
	return err
}

type seconds struct{ to *time.Duration }

func (c seconds) Scan(v any) error {
	n, err := intOf(v)
	*c.to = time.Duration(n) * time.Second
	return err
}

const serviceCols = `s.id, s.version, s.base_url, s.status, s.inline_input, s.registered_at, s.last_heartbeat,
	(select count(*) from tasks k where k.service_id = s.id and json_extract(k.metadata, '$.removedInVersion') is null), s.metadata`

func scanService(row scanner, s *store.Service) error {
	return row.Scan(&s.ID, &s.Version, &s.BaseURL, &s.Status, &s.InlineInput, timeCol{&s.RegisteredAt},
		timeCol{&s.LastHeartbeat}, &s.TaskCount, jsonCol{&s.Metadata})
}

const taskCols = `k.id, k.service_id, k.allowed_next, k.code_hash, k.code_version, k.concurrency, k.description,
	k.heartbeat_interval_ms, k.idempotency_ttl_seconds, k.input_schema, k.max_retry_delay_ms, k.priority, k.retries,
	k.retry_backoff, k.retry_delay_ms, k.timeout_seconds, k.registered_at, k.updated_at,
	json_extract(k.metadata, '$.removedInVersion')`

func taskDest(t *store.Task, removedIn *string) []any {
	return []any{&t.ID, &t.Service, jsonCol{&t.AllowedNext}, &t.CodeHash, &t.CodeVersion, &t.Concurrency,
		asText(&t.Description), millis{&t.HeartbeatInterval}, seconds{&t.IdempotencyTTL}, jsonCol{&t.InputSchema},
		millis{&t.Retry.MaxDelay}, &t.Priority, &t.Retry.Retries, &t.Retry.Backoff, millis{&t.Retry.Delay},
		seconds{&t.Timeout}, timeCol{&t.RegisteredAt}, timeCol{&t.UpdatedAt}, asText(removedIn)}
}

func scanTask(row scanner, t *store.Task) error {
	var removedIn string
	err := row.Scan(taskDest(t, &removedIn)...)
	t.Removed = removedIn != ""
	return err
}

// defined is true of definitions that were not deleted (flow.SourceRemoved).
const defined = `coalesce(json_extract(p.metadata, '$.source'), '') <> 'removed'`

const pipelineCols = `p.id, p.name, p.description, p.entry_tasks, p.structure, p.failure_mode, p.version,
	coalesce(json_extract(p.metadata, '$.source'), ''), p.metadata, p.created_at, p.updated_at`

func scanPipeline(row scanner, p *store.Pipeline) error {
	return row.Scan(&p.ID, &p.Name, asText(&p.Description), jsonCol{&p.EntryTasks}, jsonCol{&p.Structure}, &p.FailureMode,
		&p.Version, &p.Source, jsonCol{&p.Metadata}, timeCol{&p.CreatedAt}, timeCol{&p.UpdatedAt})
}

const runCols = `r.id, r.pipeline_id, r.pipeline_version, r.status, rs.failure_mode, r.structure_snapshot, rs.entry_tasks,
	r.input_path, r.output_path, r.error, r.metadata, r.created_at, r.started_at, r.completed_at, rs.triggered_by`

const runFrom = ` from pipeline_runs r left join run_state rs on rs.pipeline_run_id = r.id`

func scanRun(row scanner, r *store.PipelineRun) error {
	return row.Scan(&r.ID, &r.Pipeline, &r.Version, &r.Status, asText(&r.FailureMode), jsonCol{&r.Structure},
		jsonCol{&r.EntryTasks}, asText(&r.InputPath), asText(&r.OutputPath), asText(&r.Error), jsonCol{&r.Metadata},
		timeCol{&r.CreatedAt}, timeCol{&r.StartedAt}, timeCol{&r.CompletedAt}, asText(&r.TriggeredBy))
}

const taskRunCols = `t.id, t.task_id, t.pipeline_run_id, t.status, t.attempt, t.max_retries, t.priority, t.code_hash,
	t.code_version, t.code_changed, t.first_run, t.input_path, t.output_path, coalesce(t.output_bytes, t.output_size, 0),
	t.logs_path, t.assets, t.upstream_refs, t.upstream_order, t.selected_next, t.previous_attempts, t.error, t.error_code,
	t.idempotency_key, t.scheduled_for, t.created_at, t.started_at, t.heartbeat_at, t.completed_at, t.metadata, t.output_sha256,
	t.superseded_by, t.owner is not null and t.cancel`

func taskRunDest(t *store.TaskRun) []any {
	var u upstream
	u.to = &t.UpstreamRefs
	return []any{asText(&t.ID), asText(&t.Task), asText(&t.Run), asText(&t.Status), &t.Attempt, &t.MaxRetries, &t.Priority, &t.CodeHash,
		&t.CodeVersion, &t.CodeChanged, &t.FirstRun, asText(&t.InputPath), asText(&t.OutputPath), &t.OutputSize,
		asText(&t.LogsPath), jsonCol{&t.Assets}, refsCol{&u}, orderCol{&u}, jsonCol{&t.SelectedNext},
		jsonCol{&t.PreviousAttempts}, asText(&t.Error), asText(&t.ErrorCode), asText(&t.IdempotencyKey),
		timeCol{&t.ScheduledFor}, timeCol{&t.CreatedAt}, timeCol{&t.StartedAt}, timeCol{&t.HeartbeatAt},
		timeCol{&t.CompletedAt}, jsonCol{&t.Metadata}, asText(&t.OutputSHA256),
		asText(&t.SupersededBy), &t.CancelRequested}
}

func scanTaskRun(row scanner, t *store.TaskRun) error {
	if err := row.Scan(taskRunDest(t)...); err != nil {
		return err
	}
	flow.Fill(t, nil)
	return nil
}
