package postgres

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"pipedai/pipeline"
	"pipedai/store"
	"pipedai/store/internal/flow"
)

// How values reach columns: absent ones as NULL, lists as text arrays.

func ts(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func text[S ~string](s S) *string {
	if s == "" {
		return nil
	}
	v := string(s)
	return &v
}

func list[S ~string](v []S) []string {
	out := make([]string, len(v))
	for i, s := range v {
		out[i] = string(s)
	}
	return out
}

// unique is a list of ids, each once.
func unique[S ~string](v []S) []string {
	out := list(v)
	slices.Sort(out)
	return slices.Compact(out)
}

// arrayText is a list as the text of an array, for columns of arrays that travel
// in an array.
func arrayText[S ~string](v []S) string {
	var out strings.Builder
	out.WriteByte('{')
	for i, s := range v {
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteByte('"')
		for _, c := range []byte(s) {
			if c == '"' || c == '\\' {
				out.WriteByte('\\')
			}
			out.WriteByte(c)
		}
		out.WriteByte('"')
	}
	out.WriteByte('}')
	return out.String()
}

// refColumns are attempts as three columns. An id or an owner that no column
// can hold is changed into one that nobody has: one bad item must not fail its
// batch. Attempts travel as bigint for the same reason.
func refColumns(refs []store.AttemptRef) (ids []string, attempts []int, owners []string) {
	for _, r := range refs {
		ids = append(ids, flow.Text(string(r.ID)))
		attempts = append(attempts, r.Attempt)
		owners = append(owners, flow.Text(r.Owner))
	}
	return ids, attempts, owners
}

// jsonText encodes values that always encode.
func jsonText(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return "null"
	}
	return string(b)
}

// Destinations for Scan that know NULL.

type timeCol struct{ to *time.Time }

func (c timeCol) Scan(v any) error {
	switch v := v.(type) {
	case nil:
	case time.Time:
		*c.to = v.UTC()
	default:
		return fmt.Errorf("scan %T as a time", v)
	}
	return nil
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
		return fmt.Errorf("scan %T as text", v)
	}
	return nil
}

func asText[S ~string](to *S) textCol[S] { return textCol[S]{to} }

// jsonCol decodes JSON; NULL leaves the destination alone.
type jsonCol struct{ to any }

func (c jsonCol) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		return nil
	case string:
		return json.Unmarshal([]byte(v), c.to)
	case []byte:
		return json.Unmarshal(v, c.to)
	default:
		return fmt.Errorf("scan %T as JSON", v)
	}
}

// refsCol decodes upstream refs. It asks them and not encoding/json, which would
// look through all of it twice before it does.
type refsCol struct{ to *store.UpstreamRefs }

func (c refsCol) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		return nil
	case string:
		return c.to.UnmarshalJSON([]byte(v))
	case []byte:
		return c.to.UnmarshalJSON(v)
	default:
		return fmt.Errorf("scan %T as JSON", v)
	}
}

type unit struct {
	to   *time.Duration
	size time.Duration
}

func (c unit) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*c.to = 0
	case int64:
		*c.to = time.Duration(v) * c.size
	default:
		return fmt.Errorf("scan %T as a number", v)
	}
	return nil
}

func millis(to *time.Duration) unit  { return unit{to, time.Millisecond} }
func seconds(to *time.Duration) unit { return unit{to, time.Second} }

const serviceCols = `s.id, s.version, s.base_url, s.status, s.inline_input, s.registered_at, s.last_heartbeat,
	(select count(*) from tasks k where k.service_id = s.id and k.metadata->>'removedInVersion' is null), s.metadata`

func scanService(row scanner, s *store.Service) error {
	return row.Scan(&s.ID, &s.Version, &s.BaseURL, &s.Status, &s.InlineInput, timeCol{&s.RegisteredAt},
		timeCol{&s.LastHeartbeat}, &s.TaskCount, jsonCol{&s.Metadata})
}

const taskCols = `k.id, k.service_id, k.allowed_next, k.code_hash, k.code_version, k.concurrency, k.description,
	k.heartbeat_interval_ms, k.idempotency_ttl_seconds, k.input_schema, k.max_retry_delay_ms, k.priority, k.retries,
	k.retry_backoff, k.retry_delay_ms, k.timeout_seconds, k.registered_at, k.updated_at,
	k.metadata->>'removedInVersion'`

func taskDest(t *store.Task, removedIn *string) []any {
	return []any{&t.ID, &t.Service, &t.AllowedNext, &t.CodeHash, &t.CodeVersion, &t.Concurrency,
		asText(&t.Description), millis(&t.HeartbeatInterval), seconds(&t.IdempotencyTTL), jsonCol{&t.InputSchema},
		millis(&t.Retry.MaxDelay), &t.Priority, &t.Retry.Retries, &t.Retry.Backoff, millis(&t.Retry.Delay),
		seconds(&t.Timeout), timeCol{&t.RegisteredAt}, timeCol{&t.UpdatedAt}, asText(removedIn)}
}

func scanTask(row scanner, t *store.Task) error {
	var removedIn string
	err := row.Scan(taskDest(t, &removedIn)...)
	t.Removed = removedIn != ""
	return err
}

// defined is true of definitions that were not deleted (flow.SourceRemoved).
const defined = `coalesce(p.metadata->>'source', '') <> 'removed'`

const pipelineCols = `p.id, p.name, p.description, p.entry_tasks, p.structure, p.failure_mode, p.version,
	coalesce(p.metadata->>'source', ''), p.metadata, p.created_at, p.updated_at`

func scanPipeline(row scanner, p *store.Pipeline) error {
	return row.Scan(&p.ID, &p.Name, asText(&p.Description), &p.EntryTasks, jsonCol{&p.Structure}, &p.FailureMode,
		&p.Version, &p.Source, jsonCol{&p.Metadata}, timeCol{&p.CreatedAt}, timeCol{&p.UpdatedAt})
}

const runCols = `r.id, r.pipeline_id, r.pipeline_version, r.status, rs.failure_mode, r.structure_snapshot, rs.entry_tasks,
	r.input_path, r.output_path, r.error, r.metadata, r.created_at, r.started_at, r.completed_at, rs.triggered_by`

const runFrom = ` from pipeline_runs r left join run_state rs on rs.pipeline_run_id = r.id`

func scanRun(row scanner, r *store.PipelineRun) error {
	return row.Scan(&r.ID, &r.Pipeline, &r.Version, &r.Status, asText(&r.FailureMode), jsonCol{&r.Structure},
		&r.EntryTasks, asText(&r.InputPath), asText(&r.OutputPath), asText(&r.Error), jsonCol{&r.Metadata},
		timeCol{&r.CreatedAt}, timeCol{&r.StartedAt}, timeCol{&r.CompletedAt}, asText(&r.TriggeredBy))
}

const taskRunCols = `t.id, t.task_id, t.pipeline_run_id, t.status, t.attempt, t.max_retries, t.priority, t.code_hash,
	t.code_version, t.code_changed, t.first_run, t.input_path, t.output_path, coalesce(t.output_bytes, t.output_size::bigint, 0),
	t.logs_path, t.assets, t.upstream_refs, t.upstream_order, t.selected_next, t.previous_attempts, t.error, t.error_code,
	t.idempotency_key, t.scheduled_for, t.created_at, t.started_at, t.heartbeat_at, t.completed_at, t.metadata, t.output_sha256,
	t.superseded_by`

func taskRunDest(t *store.TaskRun, order *[]pipeline.TaskID) []any {
	return []any{&t.ID, &t.Task, asText(&t.Run), &t.Status, &t.Attempt, &t.MaxRetries, &t.Priority, &t.CodeHash,
		&t.CodeVersion, &t.CodeChanged, &t.FirstRun, asText(&t.InputPath), asText(&t.OutputPath), &t.OutputSize,
		asText(&t.LogsPath), jsonCol{&t.Assets}, refsCol{&t.UpstreamRefs}, order, &t.SelectedNext,
		jsonCol{&t.PreviousAttempts}, asText(&t.Error), asText(&t.ErrorCode), asText(&t.IdempotencyKey),
		timeCol{&t.ScheduledFor}, timeCol{&t.CreatedAt}, timeCol{&t.StartedAt}, timeCol{&t.HeartbeatAt},
		timeCol{&t.CompletedAt}, jsonCol{&t.Metadata}, asText(&t.OutputSHA256), asText(&t.SupersededBy)}
}

const taskRunFrom = ` from task_runs t left join lease l on l.task_run_id = t.id`

// scanTaskRun reads taskRunCols and the lease's cancel.
func scanTaskRun(row scanner, t *store.TaskRun) error {
	var order []pipeline.TaskID
	var cancel *bool
	if err := row.Scan(append(taskRunDest(t, &order), &cancel)...); err != nil {
		return err
	}
	t.CancelRequested = cancel != nil && *cancel
	flow.Fill(t, order)
	return nil
}
