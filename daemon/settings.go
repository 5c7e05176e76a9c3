package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"pipedai/api"
	"pipedai/daemon/localapi"
	"pipedai/enroll"
	"pipedai/manifest"
	"pipedai/supervisor"
)

// Worker implements localapi.Backend.
func (h *host) Worker(ctx context.Context, id string) (api.WorkerDetail, error) {
	e, err := h.manifest.Entry(ctx, id)
	if errors.Is(err, manifest.ErrNotFound) {
		return api.WorkerDetail{}, localapi.ErrUnknownWorker
	}
	if err != nil {
		return api.WorkerDetail{}, err
	}
	exits, err := h.manifest.Exits(ctx, id)
	if err != nil {
		return api.WorkerDetail{}, err
	}
	var local *supervisor.Status
	out := api.WorkerDetail{Exits: make([]api.WorkerExit, 0, len(exits))}
	if status, known := h.supervisor.Status(id); known {
		local = &status
	}
	out.Worker = Fuse(e, local, h.remote.View(e))
	out.Worker.Upgrade = h.operations.upgrades()[e.ID]
	h.measureAll(out.Worker)
	out.Settings = h.settings(e)
	for _, x := range exits {
		out.Exits = append(out.Exits, api.WorkerExit{
			Generation: x.Generation, How: string(x.How), Code: x.Code, Signal: x.Signal, Detail: x.Detail,
			StartedAt: x.StartedAt.UnixMilli(), EndedAt: x.At.UnixMilli(),
		})
	}
	return out, nil
}

// settings are those of an entry with the daemon's defaults filled in.
func (h *host) settings(e manifest.Entry) api.WorkerSettings {
	spec := h.spec(e)
	out := api.WorkerSettings{
		Dir: spec.Dir, Env: []api.WorkerEnv{}, AuthMode: e.Settings.AuthMode, StopGraceMs: spec.StopGrace.Milliseconds(),
		Restart: api.WorkerRestarts{
			BackoffMs: millis(spec.Policy.Steps()), StableMs: cmp.Or(spec.Policy.Stable, supervisor.DefaultStable).Milliseconds(),
			Budget: cmp.Or(spec.Policy.Budget, supervisor.DefaultBudget), FinalCodes: append([]int{}, spec.Policy.FinalCodes...),
		},
		Limits: api.WorkerLimits(spec.Limits),
	}
	secrets, _ := enroll.ReadWorkerEnv(e.ConfigPath) // said already, see workerEnv
	for _, name := range slices.Sorted(maps.Keys(e.Settings.Env)) {
		if _, hidden := secrets[name]; !hidden {
			out.Env = append(out.Env, api.WorkerEnv{Name: name})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		out.Env = append(out.Env, api.WorkerEnv{Name: name, Secret: true})
	}
	slices.SortStableFunc(out.Env, func(a, b api.WorkerEnv) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// ChangeWorker implements localapi.Backend.
func (h *host) ChangeWorker(ctx context.Context, id string, change api.WorkerSettingsChange) (api.WorkerDetail, error) {
	if h.phase.Load() >= phaseStopping {
		return api.WorkerDetail{}, h.stopping()
	}
	act, cancel := context.WithTimeout(context.WithoutCancel(ctx), actTimeout)
	defer cancel()
	e, err := h.manifest.Entry(act, id)
	if errors.Is(err, manifest.ErrNotFound) {
		return api.WorkerDetail{}, localapi.ErrUnknownWorker
	}
	if err != nil {
		return api.WorkerDetail{}, err
	}
	if err := validSecrets(change.SecretEnv); err != nil {
		return api.WorkerDetail{}, refused(err)
	}
	// Secrets first: a variable that moves there is never in neither place, and
	// one that is in both is the secret one.
	_, err = h.manifest.ChangeSettings(act, id, func(s manifest.Settings) (manifest.Settings, error) {
		s = changed(s, change)
		if err := s.Validate(); err != nil {
			return s, err
		}
		if len(change.SecretEnv) == 0 {
			return s, nil
		}
		return s, enroll.ChangeWorkerEnv(e.ConfigPath, change.SecretEnv)
	})
	if errors.Is(err, manifest.ErrNotFound) {
		return api.WorkerDetail{}, localapi.ErrUnknownWorker
	}
	if errors.Is(err, manifest.ErrInvalid) {
		return api.WorkerDetail{}, refused(err)
	}
	if err != nil {
		return api.WorkerDetail{}, err
	}
	if _, err := h.reload(act); err != nil {
		return api.WorkerDetail{}, err
	}
	h.changed()
	return h.Worker(ctx, id)
}

// changed is s with a change made. A variable is in one place only: the one
// that was named last.
func changed(s manifest.Settings, c api.WorkerSettingsChange) manifest.Settings {
	set(&s.Dir, c.Dir)
	set(&s.AuthMode, c.AuthMode)
	setMillis(&s.StopGrace, c.StopGraceMs)
	s.Env = maps.Clone(s.Env)
	for name, value := range c.Env {
		if value == nil {
			delete(s.Env, name)
			continue
		}
		if s.Env == nil {
			s.Env = map[string]string{}
		}
		s.Env[name] = *value
	}
	for name := range c.SecretEnv {
		delete(s.Env, name)
	}
	if r := c.Restart; r != nil {
		if r.BackoffMs != nil {
			s.Restart.Backoff = nil
			for _, ms := range *r.BackoffMs {
				s.Restart.Backoff = append(s.Restart.Backoff, duration(ms))
			}
		}
		setMillis(&s.Restart.Stable, r.StableMs)
		set(&s.Restart.Budget, r.Budget)
		set(&s.Restart.FinalCodes, r.FinalCodes)
	}
	if l := c.Limits; l != nil {
		set(&s.Limits.MemoryBytes, l.MemoryBytes)
		set(&s.Limits.CPU, l.CPU)
		set(&s.Limits.PIDs, l.PIDs)
		set(&s.Limits.NoFile, l.NoFile)
	}
	return s
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

func setMillis(to *time.Duration, from *int64) {
	if from != nil {
		*to = duration(*from)
	}
}

// duration reads milliseconds; what does not fit becomes what Validate refuses.
func duration(ms int64) time.Duration {
	const most = int64(1<<63-1) / int64(time.Millisecond)
	if ms > most || ms < 0 {
		return -1
	}
	return time.Duration(ms) * time.Millisecond
}

func millis(all []time.Duration) []int64 {
	out := make([]int64, 0, len(all))
	for _, d := range all {
		out = append(out, d.Milliseconds())
	}
	return out
}

func validSecrets(change map[string]*string) error {
	env := make(map[string]string, len(change))
	for name, value := range change {
		env[name] = ""
		if value != nil {
			env[name] = *value
		}
	}
	return manifest.ValidEnv("secretEnv", env)
}

// refused words settings that cannot be.
func refused(err error) error {
	text := err.Error()
	if _, rest, ok := strings.Cut(text, manifest.ErrInvalid.Error()+": "); ok {
		text = rest
	}
	return &api.Error{Status: http.StatusUnprocessableEntity, Code: api.CodeInvalid, Message: fmt.Sprintf("these settings cannot be: %s", text)}
}
