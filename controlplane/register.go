package controlplane

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"pipedai/api"
	"pipedai/engine"
	"pipedai/internal/httpkit"
	"pipedai/pipeline"
	"pipedai/pipeline/inputschema"
	"pipedai/storage"
	"pipedai/store"
)

// The contract's defaults of a task registration.
const (
	defaultTimeoutSeconds   = 300
	defaultRetries          = 3
	defaultRetryDelayMs     = 1000
	defaultHeartbeatMs      = 60_000
	defaultPriority         = 100
	engineDefault           = 0 // the engine's options say
	largestRegisteredNumber = math.MaxInt32
)

// register answers POST /api/register: a worker reached over HTTP announces
// itself and its tasks.
func (s *Server) register(ctx context.Context, req api.RegisterRequest) (api.RegisterResponse, error) {
	if req.BaseURL == "" {
		return api.RegisterResponse{}, httpkit.Invalid("Required", "baseUrl")
	}
	base, err := url.Parse(req.BaseURL)
	if err != nil || base.Host == "" || base.User != nil || (base.Scheme != "http" && base.Scheme != "https") {
		return api.RegisterResponse{}, httpkit.Invalid("Invalid url", "baseUrl")
	}
	req.BaseURL = s.o.BaseURLs.of(pipeline.ServiceID(req.ServiceID), base, httpkit.Request(ctx))
	recordOf(ctx).on(req.ServiceID).detail("version %s at %s", req.Version, req.BaseURL)
	return s.registerService(ctx, req)
}

// registerService stores an announcement whose base URL has been checked.
func (s *Server) registerService(ctx context.Context, req api.RegisterRequest) (api.RegisterResponse, error) {
	format := storage.Format(req.TokenFormat)
	if format != "" && !format.Valid() {
		return api.RegisterResponse{}, httpkit.Invalid("Invalid enum value. Expected 'A' | 'B' | 'JWE', received '"+req.TokenFormat+"'", "tokenFormat")
	}
	tasks, err := registrations(req)
	if err != nil {
		return api.RegisterResponse{}, err
	}
	done, err := s.o.Engine.Register(ctx, store.Register{
		Service: store.Service{
			ID:          pipeline.ServiceID(req.ServiceID),
			Version:     req.Version,
			BaseURL:     strings.TrimRight(req.BaseURL, "/"),
			Status:      "active",
			InlineInput: slices.Contains(req.Capabilities, api.CapabilityInlineInput),
			Metadata:    engine.TokenFormat(format),
		},
		Tasks: tasks,
	})
	if err != nil {
		return api.RegisterResponse{}, err
	}
	out := api.RegisterResponse{Success: true, CodeChanges: []api.CodeChange{}, OrphanedTasks: texts(done.Orphaned)}
	for _, change := range done.CodeChanges {
		out.CodeChanges = append(out.CodeChanges, api.CodeChange{
			TaskID: string(change.Task), OldHash: change.OldHash, NewHash: change.NewHash,
			OldVersion: change.OldVersion, NewVersion: change.NewVersion,
		})
	}
	s.o.Log.InfoContext(ctx, "service registered", "service", req.ServiceID, "version", req.Version,
		"tasks", len(tasks), "changed", len(out.CodeChanges), "orphaned", len(out.OrphanedTasks), "request", httpkit.RequestID(ctx))
	return out, nil
}

// registrations turns the announced tasks into definitions, with defaults,
// and refuses what no database column or URL could hold.
func registrations(req api.RegisterRequest) ([]store.Task, error) {
	problems := httpkit.NewProblems()
	if !pipeline.ValidID(req.ServiceID) {
		problems.Add([]string{"serviceId"}, pipeline.IDRule)
	}
	seen := map[string]bool{}
	tasks := make([]store.Task, 0, len(req.Tasks))
	for i, t := range req.Tasks {
		r := registration{problems: problems, path: []string{"tasks", strconv.Itoa(i)}}
		switch {
		case !pipeline.ValidID(t.ID):
			r.problem("id", pipeline.IDRule)
		case seen[t.ID]:
			r.problem("id", fmt.Sprintf("Task '%s' is given twice", t.ID))
		}
		seen[t.ID] = true
		for j, next := range t.AllowedNext {
			if !pipeline.ValidID(next) {
				problems.Add(append(httpkit.Child(r.path, "allowedNext"), strconv.Itoa(j)), pipeline.IDRule)
			}
		}
		backoff := pipeline.Backoff(t.RetryBackoff)
		if backoff == "" {
			backoff = pipeline.BackoffExponential
		}
		tasks = append(tasks, store.Task{
			ID:          pipeline.TaskID(t.ID),
			Service:     pipeline.ServiceID(req.ServiceID),
			CodeHash:    t.CodeHash,
			AllowedNext: typed[pipeline.TaskID](t.AllowedNext),
			Timeout:     time.Duration(r.number("timeout", t.Timeout, defaultTimeoutSeconds, 1)) * time.Second,
			Retry: pipeline.RetryPolicy{
				Retries:  int(r.number("retries", t.Retries, defaultRetries, 0)),
				Backoff:  backoff,
				Delay:    time.Duration(r.number("retryDelayMs", t.RetryDelayMs, defaultRetryDelayMs, 1)) * time.Millisecond,
				MaxDelay: time.Duration(r.number("maxRetryDelayMs", t.MaxRetryDelayMs, engineDefault, 1)) * time.Millisecond,
			},
			HeartbeatInterval: time.Duration(r.number("heartbeatIntervalMs", t.HeartbeatIntervalMs, defaultHeartbeatMs, 1)) * time.Millisecond,
			Concurrency:       int(r.number("concurrency", t.Concurrency, 0, 0)),
			Priority:          int(r.number("priority", t.Priority, defaultPriority, math.MinInt32)),
			IdempotencyTTL:    time.Duration(r.number("idempotencyTTL", t.IdempotencyTTL, engineDefault, 1)) * time.Second,
			Description:       t.Description,
			InputSchema:       r.schema(t.InputSchema),
		})
	}
	return tasks, problems.Err()
}

// registration collects the problems of one announced task.
type registration struct {
	problems httpkit.Problems
	path     []string
}

func (r registration) problem(member, text string) {
	r.problems.Add(httpkit.Child(r.path, member), text)
}

// schema checks an input schema and returns what is stored of it; nil for none.
func (r registration) schema(given json.RawMessage) json.RawMessage {
	if given == nil {
		return nil
	}
	parsed, problems := inputschema.Parse(given)
	for _, p := range problems {
		r.problems.Add(append(httpkit.Child(r.path, "inputSchema"), p.Path...), p.Text)
	}
	if parsed == nil {
		return nil
	}
	return parsed.JSON()
}

// number checks one numeric member: whole, from low up, and no larger than a
// database integer.
func (r registration) number(member string, given *float64, def, low int64) int64 {
	if given == nil {
		return def
	}
	n := *given
	switch {
	case n < float64(low) && low == 1:
		r.problem(member, "Number must be greater than 0")
	case n < float64(low):
		r.problem(member, fmt.Sprintf("Number must be greater than or equal to %d", low))
	case n > largestRegisteredNumber:
		r.problem(member, fmt.Sprintf("Number must be less than or equal to %d", largestRegisteredNumber))
	case n != math.Trunc(n):
		r.problem(member, "Expected integer, received float")
	default:
		return int64(n)
	}
	return def
}

// texts and typed convert lists of ids; neither returns null to the wire.
func texts[T ~string](ids []T) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = string(id)
	}
	return out
}

func typed[T ~string](ids []string) []T {
	out := make([]T, len(ids))
	for i, id := range ids {
		out[i] = T(id)
	}
	return out
}

// object returns a JSON object, {} for none.
func object(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 || string(raw) == "null" {
		return json.RawMessage("{}")
	}
	return raw
}
