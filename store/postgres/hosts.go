package postgres

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"pipedai/pipeline"
	"pipedai/store"
	"pipedai/store/internal/flow"
)

const enrollmentCols = `id, workspace_id, kind, secret_hash, user_code, label, status, address, user_agent, hostname, os,
	interval_ms, last_poll_at, created_at, expires_at, decided_at, decided_by, worker_id, environment_id`

func scanEnrollment(row scanner, e *store.Enrollment) error {
	return row.Scan(&e.ID, &e.Workspace, &e.Kind, &e.SecretHash, asText(&e.UserCode), &e.Label, &e.Status, &e.Address,
		&e.UserAgent, &e.Hostname, &e.OS, millis(&e.Interval), timeCol{&e.LastPollAt}, timeCol{&e.CreatedAt},
		timeCol{&e.ExpiresAt}, timeCol{&e.DecidedAt}, &e.DecidedBy, asText(&e.Worker), asText(&e.Environment))
}

// CreateEnrollment stores one; ErrConflict when its id or a code is taken.
func (s *Store) CreateEnrollment(ctx context.Context, e store.Enrollment) (store.Enrollment, error) {
	if e.ID == "" {
		e.ID = store.EnrollmentID("enrl_" + pipeline.Random(16))
	}
	if e.Status == "" {
		e.Status = "pending"
	}
	err := s.write(ctx, "create enrollment", func(t *tx) error {
		if e.CreatedAt.IsZero() {
			e.CreatedAt = t.now
		}
		n, err := t.exec(`insert into enrollments (`+enrollmentCols+`) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
			on conflict do nothing`,
			e.ID, e.Workspace, e.Kind, e.SecretHash, text(e.UserCode), e.Label, e.Status, e.Address, e.UserAgent, e.Hostname, e.OS,
			e.Interval.Milliseconds(), ts(e.LastPollAt), ts(e.CreatedAt), ts(e.ExpiresAt), ts(e.DecidedAt), e.DecidedBy, text(e.Worker), text(e.Environment))
		if err != nil {
			return err
		}
		if n == 0 {
			return store.ErrConflict
		}
		e, err = t.enrollment(e.ID)
		return err
	})
	return e, err
}

func (t *tx) enrollment(id store.EnrollmentID) (store.Enrollment, error) {
	var e store.Enrollment
	return e, scanEnrollment(t.c.QueryRow(t.ctx, `select `+enrollmentCols+` from enrollments where id = $1 for update`, id), &e)
}

// Enrollments lists the newest first.
func (s *Store) Enrollments(ctx context.Context, f store.EnrollmentFilter) ([]store.Enrollment, error) {
	return all(ctx, s, "list enrollments", scanEnrollment, `select `+enrollmentCols+` from enrollments
		where ($1::text = '' or workspace_id = $1) and ($2::text = '' or kind = $2) order by created_at desc, id desc limit $3`,
		f.Workspace, f.Kind, limitOf(f.Limit))
}

// Enrollment reads one.
func (s *Store) Enrollment(ctx context.Context, id store.EnrollmentID) (store.Enrollment, error) {
	return one(ctx, s, "read enrollment", scanEnrollment, `select `+enrollmentCols+` from enrollments where id = $1`, id)
}

// EnrollmentByUserCode finds a pairing by what its device shows.
func (s *Store) EnrollmentByUserCode(ctx context.Context, code string) (store.Enrollment, error) {
	return one(ctx, s, "read enrollment", scanEnrollment, `select `+enrollmentCols+` from enrollments where user_code = $1`, code)
}

// EnrollmentBySecret finds one by the hash of its secret.
func (s *Store) EnrollmentBySecret(ctx context.Context, hash string) (store.Enrollment, error) {
	return one(ctx, s, "read enrollment", scanEnrollment, `select `+enrollmentCols+` from enrollments where secret_hash = $1`, hash)
}

// DecideEnrollment settles a pending pairing that has not expired.
func (s *Store) DecideEnrollment(ctx context.Context, p store.DecideEnrollment) (store.Enrollment, error) {
	status := "denied"
	if p.Approve {
		status = "approved"
	}
	var out store.Enrollment
	var late error
	err := s.write(ctx, "decide enrollment", func(t *tx) error {
		n, err := t.exec(`update enrollments set status = $2, decided_at = $3, decided_by = $4,
				workspace_id = coalesce($5, workspace_id), environment_id = $6
			where id = $1 and kind = 'device' and status = 'pending' and expires_at > $3`,
			p.ID, status, ts(t.now), p.By, text(p.Workspace), text(p.Environment))
		if err != nil {
			return err
		}
		if n == 0 {
			late = wrap("decide enrollment", store.ErrConflict)
		}
		out, err = t.enrollment(p.ID)
		return err
	})
	return out, errors.Join(err, late)
}

// RevokeEnrollment takes back what nobody redeemed.
func (s *Store) RevokeEnrollment(ctx context.Context, id store.EnrollmentID, by string) (store.Enrollment, error) {
	var out store.Enrollment
	var late error
	err := s.write(ctx, "revoke enrollment", func(t *tx) error {
		n, err := t.exec(`update enrollments set status = 'revoked', decided_at = $1, decided_by = $2
			where id = $3 and status in ('pending', 'approved')`, ts(t.now), by, id)
		if err != nil {
			return err
		}
		out, err = t.enrollment(id)
		if err == nil && n == 0 && out.Status != "revoked" {
			late = wrap("revoke enrollment", store.ErrConflict)
		}
		return err
	})
	return out, errors.Join(err, late)
}

// PolledEnrollment notes a poll.
func (s *Store) PolledEnrollment(ctx context.Context, id store.EnrollmentID, now time.Time) (tooEarly bool, err error) {
	err = s.write(ctx, "note poll", func(t *tx) error {
		if now.IsZero() {
			now = t.now
		}
		e, err := t.enrollment(id)
		if err != nil {
			return err
		}
		tooEarly = !e.LastPollAt.IsZero() && now.Before(e.LastPollAt.Add(e.Interval))
		_, err = t.exec(`update enrollments set last_poll_at = $1 where id = $2`, ts(now), id)
		return err
	})
	return tooEarly, err
}

// workerHolds is the reasons why a worker gets no runs, as JSON.
const workerHolds = `(select coalesce(json_agg(json_build_object('By', o.by_what, 'Who', o.who, 'Note', o.note, 'Since', o.since, 'Until', o.until)
	order by o.since, o.by_what), '[]')::text from worker_holds o where o.worker_id = workers.id and (o.until is null or o.until > now()))`

const workerCols = `id, workspace_id, hostname, host, label, os, version, ` + workerHolds + `, current_run, last_seen_at, registered_at,
	service_id, service_version, serving_since`

func scanWorker(row scanner, w *store.Worker) error {
	return row.Scan(&w.ID, &w.Workspace, &w.Hostname, &w.Host, &w.Label, &w.OS, &w.Version, holdsCol{w}, &w.CurrentRun,
		timeCol{&w.LastSeenAt}, timeCol{&w.RegisteredAt}, &w.Service, &w.ServiceVersion, timeCol{&w.ServingSince})
}

func (t *tx) worker(query string, args ...any) (store.Worker, error) {
	var w store.Worker
	return w, scanWorker(t.c.QueryRow(t.ctx, query, args...), &w)
}

// RedeemEnrollment trades an enrolment for a worker with its tokens.
func (s *Store) RedeemEnrollment(ctx context.Context, p store.RedeemEnrollment) (store.Worker, error) {
	var out store.Worker
	err := s.write(ctx, "redeem enrollment", func(t *tx) error {
		e, err := t.enrollment(p.Enrollment)
		if err != nil {
			return err
		}
		if !flow.Redeemable(e, t.now) {
			return store.ErrConflict
		}
		label := p.Label
		if label == "" {
			label = e.Label
		}
		if err := t.leaveKeeper(e.Workspace, p.Hostname); err != nil {
			return err
		}
		// The deleted ones do not count: their host joins as a new worker.
		out, err = t.worker(`insert into workers (id, workspace_id, hostname, label, os, version, registered_at)
			values ($1, $2, $3, $4, $5, $6, $7)
			on conflict (workspace_id, hostname) where deleted_at is null do update set label = case when excluded.label = '' then workers.label else excluded.label end,
				os = excluded.os, version = excluded.version returning `+workerCols,
			"wrk_"+pipeline.Random(16), e.Workspace, p.Hostname, label, p.OS, p.Version, ts(t.now))
		if err != nil {
			return err
		}
		if _, err := t.exec(`update enrollments set status = 'redeemed', worker_id = $1 where id = $2`, out.ID, e.ID); err != nil {
			return err
		}
		if err := t.joinHost(out); err != nil {
			return err
		}
		for _, token := range flow.WorkerTokens(p, out) {
			if err := t.putToken(token); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

// leaveKeeper takes the worker of a hostname away from another host that kept it:
// the machine of that name joins for itself, and the other one has no power over
// it from then on.
func (t *tx) leaveKeeper(workspace store.WorkspaceID, hostname string) error {
	var id store.WorkerID
	err := t.row(`select id from workers where workspace_id = $1 and hostname = $2 and deleted_at is null and host not in ('', hostname) for update`,
		[]any{workspace, hostname}, &id)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := t.handHostToken(id); err != nil {
		return err
	}
	if _, err := t.exec(`update tokens set revoked_at = $2 where worker_id = $1 and revoked_at is null`, id, ts(t.now)); err != nil {
		return err
	}
	_, err = t.exec(`update workers set host = '' where id = $1`, id)
	return err
}

// Workers lists the workers of a workspace by hostname.
func (s *Store) Workers(ctx context.Context, workspace store.WorkspaceID) ([]store.Worker, error) {
	return all(ctx, s, "list workers", scanWorker,
		`select `+workerCols+` from workers where workspace_id = $1 and deleted_at is null order by hostname, id`, workspace)
}

// Worker reads one.
func (s *Store) Worker(ctx context.Context, id store.WorkerID) (store.Worker, error) {
	return one(ctx, s, "read worker", scanWorker, `select `+workerCols+` from workers where id = $1 and deleted_at is null`, id)
}

// DeleteWorker removes a worker and its rights.
func (s *Store) DeleteWorker(ctx context.Context, id store.WorkerID) error {
	return s.write(ctx, "delete worker", func(t *tx) error {
		n, err := t.exec(`update workers set deleted_at = $2 where id = $1 and deleted_at is null`, id, ts(t.now))
		if err != nil {
			return err
		}
		if n == 0 {
			return store.ErrNotFound
		}
		if err := t.handHostToken(id); err != nil {
			return err
		}
		_, err = t.exec(`update tokens set revoked_at = $2 where worker_id = $1 and revoked_at is null`, id, ts(t.now))
		return err
	})
}

// TouchWorker notes a heartbeat.
func (s *Store) TouchWorker(ctx context.Context, b store.WorkerBeat) (store.Worker, error) {
	var out store.Worker
	err := s.write(ctx, "note worker heartbeat", func(t *tx) (err error) {
		out, err = t.worker(`update workers set last_seen_at = $2, version = case when $3::text = '' then version else $3 end, current_run = $4
			where id = $1 and deleted_at is null returning `+workerCols, b.Worker, ts(t.now), b.Version, b.CurrentRun)
		return err
	})
	return out, err
}

// Serve notes which service a worker serves.
func (s *Store) Serve(ctx context.Context, p store.Serve) (store.Worker, error) {
	var out store.Worker
	err := s.write(ctx, "note what a worker serves", func(t *tx) (err error) {
		out, err = t.worker(`update workers set service_id = $2, serving_since = $4,
			service_version = case when $3::text = '' and service_id = $2 then service_version else $3 end
			where id = $1 and deleted_at is null returning `+workerCols, p.Worker, p.Service, p.Version, ts(t.now))
		return err
	})
	return out, err
}

// ServiceWorkers lists those that serve services.
func (s *Store) ServiceWorkers(ctx context.Context, service pipeline.ServiceID) ([]store.Worker, error) {
	return all(ctx, s, "list workers of services", scanWorker,
		`select `+workerCols+` from workers where service_id <> '' and deleted_at is null and ($1::text = '' or service_id = $1)
			order by service_id, hostname, id`, service)
}

// AddWorkerEvent appends to a worker's event log.
func (s *Store) AddWorkerEvent(ctx context.Context, e store.WorkerEvent) (store.WorkerEvent, error) {
	err := s.write(ctx, "add worker event", func(t *tx) error {
		if e.At.IsZero() {
			e.At = t.now
		}
		data := flow.JSON(e.Data)
		err := t.row(`insert into worker_events (worker_id, type, at, data)
			select id, $2, $3, $4::jsonb from workers where id = $1 and deleted_at is null returning seq`,
			[]any{e.Worker, e.Type, ts(e.At), data}, &e.Seq)
		if errors.Is(err, pgx.ErrNoRows) {
			err = store.ErrNotFound
		}
		return err
	})
	return e, err
}

// WorkerEvents reads what follows after.
func (s *Store) WorkerEvents(ctx context.Context, id store.WorkerID, after int64, limit int) ([]store.WorkerEvent, error) {
	return all(ctx, s, "read worker events", scanWorkerEvent, `select seq, worker_id, type, at, data from worker_events where worker_id = $1 and seq > $2 order by seq limit $3`,
		id, after, limitOf(limit))
}

// LastWorkerEvents reads the newest.
func (s *Store) LastWorkerEvents(ctx context.Context, id store.WorkerID, limit int) ([]store.WorkerEvent, error) {
	out, err := all(ctx, s, "read worker events", scanWorkerEvent,
		`select seq, worker_id, type, at, data from worker_events where worker_id = $1 order by seq desc limit $2`, id, limitOf(limit))
	slices.Reverse(out)
	return out, err
}

func scanWorkerEvent(row scanner, e *store.WorkerEvent) error {
	return row.Scan(&e.Seq, &e.Worker, &e.Type, timeCol{&e.At}, &e.Data)
}
