package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"pipedai/pipeline"
	"pipedai/store"
	"pipedai/store/internal/flow"
)

// candidate is a claimable task run at the head of its lane.
type candidate struct {
	lane     string
	priority int
	seq      int64
}

// ClaimTasks leases the best task runs of every lane that has room.
func (s *Store) ClaimTasks(ctx context.Context, p store.ClaimTasks) ([]store.Claimed, error) {
	var out []store.Claimed
	err := s.writeMany(ctx, "claim task runs", p.Limit, func(t *tx) (err error) {
		out, err = t.claim(p)
		return err
	})
	return out, err
}

// claimAfter claims at the end of another step. When it fails the step stands,
// unless the transaction is broken.
func (t *tx) claimAfter(p store.ClaimTasks) (out []store.Claimed, broken error) {
	err, broken := t.c.within(func(*conn) (err error) {
		out, err = t.claim(p)
		return err
	})
	if err != nil {
		return nil, broken
	}
	return out, broken
}

func (t *tx) claim(p store.ClaimTasks) ([]store.Claimed, error) {
	limit, err := t.room(p)
	if err != nil || limit <= 0 {
		return nil, err
	}
	queues, err := t.queues(p.Services)
	if err != nil {
		return nil, err
	}
	var all []candidate
	for _, queue := range queues {
		found, err := t.candidates(queue, limit)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	slices.SortFunc(all, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.priority, b.priority), cmp.Compare(a.seq, b.seq))
	})
	return t.lease(all[:min(limit, len(all))], p)
}

// room is how many the claim may take.
func (t *tx) room(p store.ClaimTasks) (int, error) {
	if p.MaxRunning <= 0 {
		return p.Limit, nil
	}
	var running int // kept, never counted
	err := t.row(`select running from counters where shard = 0`, nil, &running)
	return min(p.Limit, p.MaxRunning-running), err
}

func (t *tx) queues(named []pipeline.ServiceID) ([]string, error) {
	var out []string
	if len(named) > 0 {
		for _, id := range named {
			out = append(out, string(id))
		}
		slices.Sort(out)
		return slices.Compact(out), nil
	}
	err := t.rows(`select id from services where base_url <> '' order by id`, nil, func(row scanner) error {
		var id string
		out = append(out, "")
		err := row.Scan(&id)
		out[len(out)-1] = id
		return err
	})
	return out, err
}

// candidates reads the heads of the lanes of one queue, as many of each as
// may run.
func (t *tx) candidates(queue string, limit int) ([]candidate, error) {
	type lane struct {
		name string
		free int
	}
	lanes := []lane{{"", limit}}
	err := t.rows(`select task_id, case cap when 0 then ?2 else min(cap - used, ?2) end from slots
		where queue = ?1 and (cap = 0 or used < cap)`, []any{queue, limit}, func(row scanner) error {
		var l lane
		err := row.Scan(&l.name, &l.free)
		lanes = append(lanes, l)
		return err
	})
	if err != nil {
		return nil, err
	}
	var out []candidate
	for _, l := range lanes {
		err := t.rows(`select seq, place from task_runs
			where queue = ?1 and lane = ?2 and since is not null order by place, seq limit ?3`, []any{queue, l.name, l.free}, func(row scanner) error {
			c := candidate{lane: l.name}
			err := row.Scan(&c.seq, &c.priority)
			out = append(out, c)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// lease reads what was picked, in that order, and leases it: one statement
// reads everything, one for each task writes.
func (t *tx) lease(picked []candidate, p store.ClaimTasks) ([]store.Claimed, error) {
	if len(picked) == 0 {
		return nil, nil
	}
	seqs := make([]int64, len(picked))
	for i, c := range picked {
		seqs[i] = c.seq
	}
	out := make([]store.Claimed, 0, len(picked))
	err := t.rows(`select `+taskRunCols+`, i.data, coalesce(i.stored, 1)
		from json_each(?) j cross join task_runs t on t.seq = j.value left join inputs i on i.path = t.input_path`,
		[]any{jsonText(seqs)}, func(row scanner) error {
			var c store.Claimed
			// An input that never rode in the database is in storage.
			err := row.Scan(append(taskRunDest(&c.TaskRun), &c.InputInline, &c.InputStored)...)
			flow.Fill(&c.TaskRun, nil)
			out = append(out, c)
			return err
		})
	if err != nil {
		return nil, err
	}
	if len(out) != len(picked) {
		return nil, fmt.Errorf("%d of %d claimable task runs exist", len(out), len(picked))
	}
	var tasks []pipeline.TaskID
	of := map[pipeline.TaskID][]int{}
	for i, c := range out {
		if of[c.TaskRun.Task] == nil {
			tasks = append(tasks, c.TaskRun.Task)
		}
		of[c.TaskRun.Task] = append(of[c.TaskRun.Task], i)
	}
	services := map[pipeline.ServiceID]store.Service{}
	for _, id := range tasks {
		if err := t.leaseOf(id, of[id], picked, out, p, services); err != nil {
			return nil, err
		}
	}
	return out, t.count(flow.Counts{Pending: -len(out), Running: len(out)})
}

// leaseOf leases the runs of one task: those of out, and picked, at these places.
func (t *tx) leaseOf(id pipeline.TaskID, at []int, picked []candidate, out []store.Claimed, p store.ClaimTasks, services map[pipeline.ServiceID]store.Service) error {
	var task store.Task
	if err := t.one(func(row scanner) error { return scanTask(row, &task) },
		`select `+taskCols+` from tasks k where k.id = ?`, id); err != nil {
		return err
	}
	service, known := services[task.Service]
	if !known {
		if err := t.one(func(row scanner) error { return scanService(row, &service) },
			`select `+serviceCols+` from services s where s.id = ?`, task.Service); err != nil {
			return err
		}
		services[task.Service] = service
	}
	var beat time.Time
	window := flow.Window(task.HeartbeatInterval)
	until := t.now.Add(p.AcceptWithin)
	if p.Accepted {
		beat, until = t.now, t.now.Add(window)
	}
	seqs := make([]int64, len(at))
	limited := 0
	for i, place := range at {
		c := &out[place]
		c.Task, c.Service = task, service
		r := &c.TaskRun
		r.Status, r.StartedAt, r.HeartbeatAt = pipeline.TaskRunning, t.now, beat
		if r.Attempt > 1 { // the version a retry runs is the one there is now
			r.CodeHash, r.CodeVersion = task.CodeHash, task.CodeVersion
		}
		seqs[i] = picked[place].seq
		if picked[place].lane != "" {
			limited++
		}
	}
	// All runs of a task are in one lane.
	err := t.run(`update task_runs set status = 'running', since = null, started_at = ?2, heartbeat_at = ?3, heartbeat_timeout_ms = ?4,
			code_hash = iif(attempt > 1, ?5, code_hash), code_version = iif(attempt > 1, ?6, code_version),
			owner = ?7, slot = ?8, until = ?9, deadline = ?10, window_ms = ?11, timeout_seconds = ?12, cancel = 0
		where seq in (select value from json_each(?1))`,
		jsonText(seqs), us(t.now), us(beat), (2 * task.HeartbeatInterval).Milliseconds(), task.CodeHash, task.CodeVersion,
		p.Owner, limited > 0, us(until), us(t.now.Add(task.Timeout+flow.Grace(task.Timeout))), window.Milliseconds(), int64(task.Timeout.Seconds()))
	if err == nil && limited > 0 {
		err = t.run(`update slots set used = used + ?2 where task_id = ?1`, id, limited)
	}
	return err
}

// Held reads the leases of some owners, through the index of those under way.
func (s *Store) Held(ctx context.Context, owners []string) ([]store.Held, error) {
	names, err := json.Marshal(owners)
	if err != nil {
		return nil, fmt.Errorf("list held attempts: %w", err)
	}
	return all(ctx, s, "list held attempts", scanHeld,
		`select id, attempt, owner, task_id, pipeline_run_id from task_runs where owner is not null and owner in (select value from json_each(?1)) order by owner, id`, string(names))
}

func scanHeld(row scanner, h *store.Held) error {
	return row.Scan(&h.ID, &h.Attempt, &h.Owner, &h.Task, asText(&h.Run))
}

// AcceptAttempts starts the heartbeat window of attempts that workers took.
func (s *Store) AcceptAttempts(ctx context.Context, attempts []store.AttemptRef) error {
	return s.writeMany(ctx, "accept attempts", len(attempts), func(t *tx) error {
		for _, a := range attempts {
			if err := t.run(`update task_runs set heartbeat_at = ?3, until = ?3 + window_ms * 1000
				where id = ?1 and attempt = ?2 and owner = iif(?4 = '', owner, ?4)`, a.ID, a.Attempt, us(t.now), a.Owner); err != nil {
				return err
			}
		}
		return nil
	})
}

// ExtendLeases stores heartbeats.
func (s *Store) ExtendLeases(ctx context.Context, beats []store.Heartbeat) ([]store.HeartbeatAnswer, error) {
	out := make([]store.HeartbeatAnswer, len(beats))
	err := s.writeMany(ctx, "extend leases", len(beats), func(t *tx) error {
		for i, b := range beats {
			out[i] = store.HeartbeatAnswer{Cancel: true}
			err := t.row(`update task_runs set heartbeat_at = ?3, until = ?3 + window_ms * 1000
				where id = ?1 and attempt = ?2 and owner = iif(?4 = '', owner, ?4) returning cancel, pipeline_run_id, task_id`,
				[]any{b.ID, b.Attempt, us(t.now), b.Owner}, &out[i].Cancel, asText(&out[i].Run), asText(&out[i].Task))
			if errors.Is(err, sql.ErrNoRows) {
				continue
			} else if err != nil {
				return err
			}
			out[i].Known = true
			if b.Progress == nil && b.Message == "" {
				continue
			}
			if err := t.run(`update task_runs set metadata = json_patch(coalesce(metadata, '{}'), ?2) where id = ?1`,
				b.ID, jsonText(flow.Progress(b))); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}
