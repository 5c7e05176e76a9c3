package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"pipedai/api"
	"pipedai/internal/httpkit"
	"pipedai/store"
)

// The outcomes in the audit log.
const (
	outcomeOK      = "ok"
	outcomeRefused = "refused" // by a rule: a 4xx
	outcomeFailed  = "failed"
)

const (
	auditPatience = 5 * time.Second // with the database, before an answer goes out without its line
	maxDetail     = 500
)

// record is the line that a request leaves in the audit log. Handlers add to it
// what the route alone does not tell; each request has one goroutine.
type record struct {
	line   store.AuditLine
	silent bool
}

type recordKey struct{}

// recordOf is the line of the request that ctx belongs to. On a route that is
// not recorded it goes nowhere.
func recordOf(ctx context.Context) *record {
	if r, ok := ctx.Value(recordKey{}).(*record); ok {
		return r
	}
	return &record{}
}

// on names what is acted on, where the path does not.
func (r *record) on(object string) *record {
	r.line.Object = object
	return r
}

// in names the workspace of it, where that is not the caller's.
func (r *record) in(ws store.WorkspaceID) *record {
	r.line.Workspace = ws
	return r
}

// by names who acts, where no token of theirs did: the host that traded a code,
// and the code by its id.
func (r *record) by(actor, kind, code string) *record {
	r.line.Actor, r.line.Kind, r.line.Token = actor, kind, code
	return r
}

// detail adds a few words for people. Never a secret.
func (r *record) detail(format string, a ...any) *record {
	r.line.Detail = cut(fmt.Sprintf(format, a...), maxDetail)
	return r
}

// nothing keeps the request out of the log: it only asked.
func (r *record) nothing() { r.silent = true }

// recordedHandler writes the line of each request before its answer goes out.
func (s *Server) recordedHandler(route route, next http.Handler) http.Handler {
	if route.access.audit.action == "" || route.access.audit.refused {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kept := &record{line: s.lineOf(r, route.access.audit.action, caller(r.Context()))}
		r = r.WithContext(context.WithValue(r.Context(), recordKey{}, kept))
		out := &recordedWriter{ResponseWriter: w, write: func(status int) { s.keep(r.Context(), kept, status) }}
		returned := false
		defer func() {
			switch {
			case !returned: // a panic, which Recover answers
				out.settle(http.StatusInternalServerError)
			case r.Context().Err() != nil: // nobody there to answer
				out.settle(statusGoneAway)
			default:
				out.settle(http.StatusOK)
			}
		}()
		next.ServeHTTP(out, r)
		returned = true
	})
}

// statusGoneAway stands for an answer that nobody waited for.
const statusGoneAway = 499

// recordedWriter has the line written before the first byte of the answer.
type recordedWriter struct {
	http.ResponseWriter
	write   func(status int)
	settled bool
}

func (w *recordedWriter) settle(status int) {
	if !w.settled {
		w.settled = true
		w.write(status)
	}
}

func (w *recordedWriter) WriteHeader(status int) {
	if status >= http.StatusOK { // what is below is not the answer yet
		w.settle(status)
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recordedWriter) Write(p []byte) (int, error) {
	w.settle(http.StatusOK)
	return w.ResponseWriter.Write(p)
}

// Unwrap lets streams flush through it.
func (w *recordedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// lineOf is what the request alone tells.
func (s *Server) lineOf(r *http.Request, action string, id identity) store.AuditLine {
	line := store.AuditLine{
		Actor: id.name, Kind: id.kind, Role: id.role, Action: action, Object: r.PathValue("id"), Workspace: id.workspace,
		Address: addressOf(r), RequestID: httpkit.RequestID(r.Context()),
	}
	if ws := r.PathValue("ws"); ws != "" {
		line.Workspace = store.WorkspaceID(cut(ws, 255))
	}
	if !id.token.Empty() && id.kind != kindSecret {
		line.Token = (store.Token{Hash: id.token.Hash()}).ID()
	}
	return line
}

// keep writes a request's line, unless refusals like it fill the log.
func (s *Server) keep(ctx context.Context, r *record, status int) {
	if r.silent {
		return
	}
	line := r.line
	line.Outcome = outcomeOK
	switch {
	case status >= http.StatusInternalServerError, status == statusGoneAway: // or done, and nobody heard of it
		line.Outcome = outcomeFailed
	case status >= http.StatusBadRequest:
		line.Outcome = outcomeRefused
	}
	if line.Outcome == outcomeOK {
		line.Code = ""
	} else {
		if line.Code == "" {
			line.Code = strings.ReplaceAll(strings.ToLower(http.StatusText(status)), " ", "_")
		}
		if status == statusGoneAway {
			line.Code = "client_gone"
		}
		if !s.refusals.admits(line) {
			return
		}
	}
	s.addAudit(ctx, line)
}

// addAudit adds a line. One that the database does not take is in the log instead:
// what was done is done, and whoever did it is told so.
func (s *Server) addAudit(ctx context.Context, line store.AuditLine) {
	line.Object = cut(line.Object, 255)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditPatience)
	defer cancel()
	if err := s.st.AddAudit(ctx, line); err != nil {
		s.o.Log.ErrorContext(ctx, "a line of the audit log is only here", "actor", line.Actor, "kind", line.Kind, "token", line.Token,
			"action", line.Action, "object", line.Object, "workspace", line.Workspace, "address", line.Address,
			"outcome", line.Outcome, "code", line.Code, "detail", line.Detail, "request", line.RequestID, "error", err)
	}
}

// refusedAtDoor records that a caller was kept from a route.
func (s *Server) refusedAtDoor(r *http.Request, route route, id identity, err error) {
	var refusal *api.Error
	if route.access.audit.action == "" || !errors.As(err, &refusal) || refusal.Status >= http.StatusInternalServerError {
		return
	}
	line := s.lineOf(r, route.access.audit.action, id)
	line.Outcome, line.Code = outcomeRefused, refusal.Code
	if s.refusals.admits(line) {
		s.addAudit(r.Context(), line)
	}
}

// noteFailure puts the code of an error into the request's line.
func noteFailure(ctx context.Context, err error) {
	var known *api.Error
	if errors.As(err, &known) {
		recordOf(ctx).line.Code = known.Code
	}
}

const (
	refusalWindow = time.Minute
	// mostRefusals bounds the refusals of a minute that are recorded, whoever they
	// are of: nobody fills the log by being refused.
	mostRefusals = 600
)

// refusalLog lets one refusal of the same kind in a minute into the log: of an
// unknown caller by address and action, of a known one by object, too.
type refusalLog struct {
	now   func() time.Time
	mu    sync.Mutex
	since time.Time
	seen  map[[4]string]bool
}

func newRefusalLog(now func() time.Time) *refusalLog {
	return &refusalLog{now: now, seen: map[[4]string]bool{}}
}

func (l *refusalLog) admits(line store.AuditLine) bool {
	key := [4]string{line.Address, line.Action}
	if line.Actor != "" {
		key = [4]string{line.Token + " " + line.Actor, line.Action, line.Object, line.Code}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := l.now(); now.Sub(l.since) >= refusalWindow {
		l.since = now
		clear(l.seen)
	}
	if l.seen[key] || len(l.seen) >= mostRefusals {
		return false
	}
	l.seen[key] = true
	return true
}
