package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"pipedai/api"
	"pipedai/enroll"
	"pipedai/internal/hostdir"
	"pipedai/internal/secret"
	"pipedai/manifest"
)

// buildWait bounds an answer that waits for a build.
const buildWait = 90 * time.Second

// buildInput is a build as the journal keeps it: decided wholly before
// anything was asked of anybody, and without the token.
type buildInput struct {
	APIURL      string   `json:"apiUrl"`
	WorkspaceID string   `json:"workspaceId,omitempty"`
	Label       string   `json:"label"`
	Hostname    string   `json:"hostname"`
	ConfigPath  string   `json:"configPath"`
	AuthMode    string   `json:"authMode"`
	Pool        bool     `json:"pool,omitempty"`
	Tasks       []string `json:"tasks,omitempty"`
	Given       bool     `json:"given,omitempty"` // the token came with the request
}

// buildKind registers a new worker through the worker program and runs it.
func buildKind() opKind {
	return opKind{"build", []opStep{
		{name: "mint", does: "getting a registration token", do: func(ctx context.Context, op *operation) error {
			return settleUpstream(op, buildMint(ctx, op))
		}},
		{name: "register", does: "registering the worker", do: buildRegister, undo: buildUnregister},
		{name: "add", does: "adding it to the manifest", do: buildAdd, undo: buildTakeOut},
		{name: "start", does: "starting it", final: true, do: func(ctx context.Context, op *operation) error {
			if _, err := op.h.reload(ctx); err != nil {
				return again(err)
			}
			op.h.changed()
			return nil
		}},
	}}
}

// Build implements localapi.Lifecycle. What can be found wrong is found before
// a token is asked for.
func (h *host) Build(ctx context.Context, req api.BuildRequest, by string, wait bool) (api.BuildResult, error) {
	if h.phase.Load() >= phaseStopping {
		return api.BuildResult{}, h.stopping()
	}
	h.building.Lock() // two builds of one label do not both find it free
	in, err := h.planBuild(ctx, req)
	var op *operation
	if err == nil {
		op, err = h.operations.begin(ctx, "build", "", by, in, secret.Text(req.Token))
	}
	h.building.Unlock()
	if err != nil {
		return api.BuildResult{}, err
	}
	if wait {
		patience := time.NewTimer(buildWait)
		defer patience.Stop()
		select {
		case <-op.held: // or ended
			if err := op.outcome(); err != nil {
				select {
				case <-op.ended:
					return api.BuildResult{}, err
				default:
					return api.BuildResult{}, h.heldUp(op)
				}
			}
			return api.BuildResult{ID: op.record().EntryID}, nil
		case <-patience.C:
		case <-ctx.Done():
		}
	}
	wire := h.operations.wire(op.record())
	return api.BuildResult{Operation: &wire}, nil
}

func unprocessable(message, fix string) error {
	return &api.Error{Status: http.StatusUnprocessableEntity, Code: api.CodeInvalid, Message: message, Fix: fix}
}

// planBuild decides everything about a build, or says what is wrong with it.
func (h *host) planBuild(ctx context.Context, req api.BuildRequest) (buildInput, error) {
	base, err := enroll.NormalizeURL(req.APIURL)
	if err != nil {
		return buildInput{}, unprocessable("apiUrl cannot be used: "+err.Error(), "")
	}
	in := buildInput{
		APIURL: base, WorkspaceID: req.WorkspaceID, Label: req.Label, Hostname: req.Hostname,
		AuthMode: req.AuthMode, Pool: req.Pool, Tasks: req.Tasks, Given: req.Token != "",
	}
	if in.AuthMode == "" {
		in.AuthMode = "claude-max"
	}
	for _, file := range in.Tasks {
		if info, err := os.Stat(file); !filepath.IsAbs(file) || err != nil || !info.Mode().IsRegular() {
			return in, unprocessable(fmt.Sprintf("the task file %.200q cannot be used", file), "give the absolute path of a plain file")
		}
	}
	if err := checkToken(req); err != nil {
		return in, err
	}
	if _, err := h.findWorkerProgram(h.o.WorkerProgram); err != nil {
		return in, conflict(err.Error(), "put pipedai-worker beside pipedai-orchestrator, or name it when starting: "+h.command("start --worker-program <path>"))
	}
	entries, err := h.manifest.Entries(ctx)
	if err != nil {
		return in, err
	}
	if !in.Given {
		if in.WorkspaceID == "" {
			in.WorkspaceID = siblingWorkspace(entries, base)
		}
		if in.WorkspaceID == "" {
			return in, conflict("no worker of this host tells which workspace of "+base+" to use", "name it with workspaceId, or connect first: "+h.connect(base))
		}
		if _, err := h.operatorOf(base, in.WorkspaceID); err != nil {
			return in, err
		}
	}
	return in, h.nameBuild(ctx, &in, entries)
}

// checkToken holds a token's prefix against what it is for. No more of it than
// that ever shows.
func checkToken(req api.BuildRequest) error {
	want := "wrk_"
	if req.Pool {
		want = "pool_"
	}
	switch {
	case req.Token == "" && req.Pool:
		return unprocessable("a pool worker needs a registration token of the pool", "ask an operator of the pool for one (pool_...)")
	case req.Token != "" && !strings.HasPrefix(req.Token, want):
		return unprocessable(fmt.Sprintf("the token begins with %q, not with %q", req.Token[:min(5, len(req.Token))], want), "")
	}
	return nil
}

// siblingWorkspace is the workspace of the first worker of a control plane.
func siblingWorkspace(entries []manifest.Entry, base string) string {
	for _, e := range entries {
		if e.Mode == manifest.ModeWorkspace && e.WorkspaceID != "" && strings.TrimRight(e.APIURL, "/") == base {
			return e.WorkspaceID
		}
	}
	return ""
}

// nameBuild decides label, hostname and file. A label that was asked for must
// be free; where none was, a number makes the file's name unique.
func (h *host) nameBuild(ctx context.Context, in *buildInput, entries []manifest.Entry) error {
	labels, paths := map[string]string{}, map[string]bool{}
	for _, e := range entries {
		labels[e.Label], paths[e.ConfigPath] = e.ID, true
	}
	running, err := h.manifest.RunningOperations(ctx)
	if err != nil {
		return err
	}
	for _, rec := range running {
		var other buildInput
		if rec.Kind == "build" && json.Unmarshal(rec.Input, &other) == nil {
			labels[other.Label], paths[other.ConfigPath] = "operation "+rec.ID, true
		}
	}
	if by, taken := labels[in.Label]; taken && in.Label != "" {
		return conflict(fmt.Sprintf("the label %.60q is taken by %s", in.Label, by), "choose another label")
	}
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("find this host's name: %w", err)
	}
	name := in.Label
	if name == "" {
		if u, err := url.Parse(in.APIURL); err == nil {
			name = u.Host
		}
	}
	slug := hostdir.Slug(name)
	for n := 1; in.ConfigPath == ""; n++ {
		try := slug
		if n > 1 {
			try = fmt.Sprintf("%s-%d", slug, n)
		}
		path := h.o.Dir.WorkerConfig(try)
		if _, err := os.Lstat(path); !paths[path] && errors.Is(err, fs.ErrNotExist) {
			slug, in.ConfigPath = try, path
		}
	}
	if in.Label == "" {
		in.Label = in.Hostname
	}
	if in.Label == "" {
		in.Label = host
		if _, taken := labels[host]; taken {
			in.Label = host + "-" + slug
		}
	}
	if in.Hostname == "" {
		in.Hostname = host + "-" + slug // the control plane tells workers apart by it
	}
	return nil
}

func buildAdd(ctx context.Context, op *operation) error {
	var in buildInput
	if err := op.input(&in); err != nil {
		return err
	}
	file, err := enroll.ReadWorkerFile(in.ConfigPath)
	if err == nil {
		err = hostdir.ValidID(file.WorkerID)
	}
	if err == nil {
		_, err = enroll.NormalizeURL(file.APIURL)
	}
	if err != nil {
		return fmt.Errorf("what the worker program wrote cannot be used: %w", err)
	}
	if len(in.Tasks) > 0 {
		file.Tasks = in.Tasks
		if err := enroll.WriteWorkerFile(in.ConfigPath, file); err != nil {
			return again(err)
		}
	}
	if err := op.keep(ctx, struct{}{}, file.WorkerID); err != nil {
		return err
	}
	e := manifest.Entry{
		ID: file.WorkerID, Label: in.Label, APIURL: file.APIURL, WorkspaceID: file.WorkspaceID, ConfigPath: in.ConfigPath,
		Mode: manifest.ModeWorkspace, Running: true, Enabled: true, Settings: manifest.Settings{AuthMode: in.AuthMode},
	}
	if in.Pool {
		e.Mode, e.WorkspaceID = manifest.ModePool, ""
	}
	// Upsert: after a kill it may be there already, and a hostname that the
	// control plane knew gives the worker that it was, whose token is new.
	err = op.h.manifest.Upsert(ctx, e)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, manifest.ErrInvalid), errors.Is(err, manifest.ErrDuplicate):
		return err
	}
	return again(op.h.unwritten(err))
}

func buildTakeOut(ctx context.Context, op *operation) error {
	id := op.record().EntryID
	if id == "" {
		return nil
	}
	if err := op.h.manifest.Remove(ctx, id); err != nil && !errors.Is(err, manifest.ErrNotFound) {
		return again(op.h.unwritten(err))
	}
	_, err := op.h.reload(ctx)
	return err
}
