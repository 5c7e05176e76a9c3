package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"

	"pipedai/pipeline"
	"pipedai/store"
	"pipedai/store/internal/flow"
)

// candidate is a claimable task run at the head of its lane.
type candidate struct {
	id, task, lane, queue string
	priority              int
	seq                   int64
}

// ClaimTasks leases the best task runs of every lane that has room.
func (s *Store) ClaimTasks(ctx context.Context, p store.ClaimTasks) ([]store.Claimed, error) {
	var out []store.Claimed
	err := s.write(ctx, "claim task runs", func(t *tx) error {
		limit, err := t.room(p)
		if err != nil || limit <= 0 {
			return err
		}
		queues, err := t.queues(p.Services)
		if err != nil {
			return err
		}
		var all []candidate
		for _, queue := range queues {
			found, err := t.candidates(queue, limit)
			if err != nil {
				return err
			}
			all = append(all, found...)
		}
		slices.SortFunc(all, func(a, b candidate) int {
			return cmp.Or(cmp.Compare(a.priority, b.priority), cmp.Compare(a.seq, b.seq))
		})
		all = all[:min(limit, len(all))]
		out, err = t.lease(all, p)
		return err
	})
	return out, err
}

// room is how many the claim may take.
func (t *tx) room(p store.ClaimTasks) (int, error) {
	if p.MaxRunning <= 0 {
		return p.Limit, nil
	}
	var running int
	err := t.row(`select count(*) from lease`, nil, &running)
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
		err := t.rows(`select task_run_id, task_id, priority, seq from ready
			where queue = ? and lane = ? order by priority, seq limit ?`, []any{queue, l.name, l.free}, func(row scanner) error {
			c := candidate{queue: queue, lane: l.name}
			err := row.Scan(&c.id, &c.task, &c.priority, &c.seq)
			out = append(out, c)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (t *tx) lease(picked []candidate, p store.ClaimTasks) ([]store.Claimed, error) {
	tasks := map[string]store.Task{}
	services := map[pipeline.ServiceID]store.Service{}
	var out []store.Claimed
	for _, c := range picked {
		task, known := tasks[c.task]
		if !known {
			if err := t.one(func(row scanner) error { return scanTask(row, &task) },
				`select `+taskCols+` from tasks k where k.id = ?`, c.task); err != nil {
				return nil, err
			}
			tasks[c.task] = task
		}
		service, known := services[task.Service]
		if !known {
			if err := t.one(func(row scanner) error { return scanService(row, &service) },
				`select `+serviceCols+` from services s where s.id = ?`, task.Service); err != nil {
				return nil, err
			}
			services[task.Service] = service
		}
		claimed, err := t.leaseOne(c, task, p)
		if err != nil {
			return nil, err
		}
		claimed.Service = service
		out = append(out, claimed)
	}
	return out, t.count(flow.Counts{Pending: -len(out), Running: len(out)})
}

func (t *tx) leaseOne(c candidate, task store.Task, p store.ClaimTasks) (store.Claimed, error) {
	out := store.Claimed{Task: task}
	if _, err := t.exec(`delete from ready where queue = ? and lane = ? and priority = ? and seq = ?`, c.queue, c.lane, c.priority, c.seq); err != nil {
		return out, err
	}
	var beat any
	window := flow.Window(task.HeartbeatInterval)
	until, accepted := t.now.Add(p.AcceptWithin), any(nil)
	if p.Accepted {
		beat, until, accepted = us(t.now), t.now.Add(window), us(t.now)
	}
	// The version a retry runs is the one there is now.
	var order []pipeline.TaskID
	err := t.row(`update task_runs as t set status = 'running', started_at = ?2, heartbeat_at = ?3, heartbeat_timeout_ms = ?4,
			code_hash = iif(attempt > 1, ?5, code_hash), code_version = iif(attempt > 1, ?6, code_version)
		where id = ?1 and status = 'pending' returning `+unaliased(taskRunCols),
		[]any{c.id, us(t.now), beat, (2 * task.HeartbeatInterval).Milliseconds(), task.CodeHash, task.CodeVersion},
		taskRunDest(&out.TaskRun, &order)...)
	if err != nil {
		return out, err
	}
	flow.Fill(&out.TaskRun, order)
	_, err = t.exec(`insert into lease (task_run_id, attempt, task_id, pipeline_run_id, owner, slot, claimed_at, accepted_at,
			until, deadline, window_ms, timeout_seconds) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		c.id, out.TaskRun.Attempt, c.task, text(out.TaskRun.Run), p.Owner, c.lane != "", us(t.now), accepted,
		us(until), us(t.now.Add(task.Timeout+flow.Grace(task.Timeout))), window.Milliseconds(), int64(task.Timeout.Seconds()))
	if err != nil {
		return out, err
	}
	if c.lane != "" {
		if _, err := t.exec(`update slots set used = used + 1 where task_id = ?`, c.task); err != nil {
			return out, err
		}
	}
	err = t.row(`select data, stored from inputs where path = ?`, []any{out.TaskRun.InputPath}, &out.InputInline, &out.InputStored)
	if errors.Is(err, sql.ErrNoRows) {
		out.InputStored, err = true, nil // never rode in the database
	}
	return out, err
}

// AcceptAttempts starts the heartbeat window of attempts that workers took.
func (s *Store) AcceptAttempts(ctx context.Context, attempts []store.AttemptRef) error {
	return s.write(ctx, "accept attempts", func(t *tx) error {
		for _, a := range attempts {
			n, err := t.exec(`update lease set accepted_at = coalesce(accepted_at, ?3), until = ?3 + window_ms * 1000
				where task_run_id = ?1 and attempt = ?2 and ?4 in ('', owner)`, a.ID, a.Attempt, us(t.now), a.Owner)
			if err == nil && n > 0 {
				_, err = t.exec(`update task_runs set heartbeat_at = ? where id = ?`, us(t.now), a.ID)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// ExtendLeases stores heartbeats.
func (s *Store) ExtendLeases(ctx context.Context, beats []store.Heartbeat) ([]store.HeartbeatAnswer, error) {
	out := make([]store.HeartbeatAnswer, len(beats))
	err := s.write(ctx, "extend leases", func(t *tx) error {
		for i, b := range beats {
			out[i] = store.HeartbeatAnswer{Cancel: true}
			err := t.row(`update lease set accepted_at = coalesce(accepted_at, ?3), until = ?3 + window_ms * 1000
				where task_run_id = ?1 and attempt = ?2 and ?4 in ('', owner) returning cancel, pipeline_run_id`,
				[]any{b.ID, b.Attempt, us(t.now), b.Owner}, &out[i].Cancel, asText(&out[i].Run))
			if errors.Is(err, sql.ErrNoRows) {
				continue
			} else if err != nil {
				return err
			}
			out[i].Known = true
			if _, err := t.exec(`update task_runs set heartbeat_at = ?2, metadata = json_patch(coalesce(metadata, '{}'), ?3)
				where id = ?1`, b.ID, us(t.now), jsonText(flow.Progress(b))); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}
