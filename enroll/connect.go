package enroll

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"pipedai/api"
	"pipedai/internal/hostdir"
	"pipedai/internal/secret"
	"pipedai/manifest"
)

// Facts describe this host to whoever approves it.
type Facts struct {
	Hostname string
	OS       string // linux, darwin or win32, as the wire spells it
	Version  string // of the worker program, or "unknown"
}

// Options say what to connect, and whom to keep informed.
type Options struct {
	// APIURL is the control plane, as NormalizeURL returned it.
	APIURL string
	// Code is a pre-issued enrolment code; empty pairs with a person instead.
	Code secret.Text
	// Label names the worker; empty means the host's name.
	Label string
	// Tasks are files of tasks for the worker to offer. nil keeps those it has.
	Tasks []string
	Facts Facts
	Dir   hostdir.Dir

	// Remote speaks to the control plane. Required.
	Remote Remote
	// Verify asks a control plane whether a credential still stands for a
	// worker; nil means that what lies on this host is believed.
	Verify func(ctx context.Context, apiURL string, token secret.Text, workspaceID, workerID string) (bool, error)
	// OnPairing is told the code before polling begins.
	OnPairing func(Pairing)
	// OnWait is told why polling takes longer than it should; may be nil.
	OnWait func(Wait)
	// Trust is told the keys that sign the control plane's releases, to believe
	// them from now on; nil ignores them. That it refuses them does not undo the
	// enrolment: Result.Distrust says why.
	Trust func(ctx context.Context, hosts *manifest.Manifest, apiURL string, keys api.ReleaseKeys) error
	// ConfirmURL is asked when the control plane names itself by another host
	// than the one connected to. nil refuses.
	ConfirmURL func(from, to string) bool
}

// Result is what a host was connected as.
type Result struct {
	WorkerID      string
	Label         string
	APIURL        string
	WorkspaceID   string
	EnvironmentID string
	AuthMode      string
	ConfigPath    string
	Tasks         []string // files of tasks it offers
	Already       bool     // it was connected before; nothing but Tasks may have changed
	Changed       bool     // the worker's configuration is another one now
	Distrust      error    // why the keys of its releases are not believed; nil: they are, or there are none
}

// Connect binds this host to a control plane. What it cannot write it finds
// out before it asks anybody; after the answer it writes worker.json, then the
// credential, then the manifest entry. Each step is an upsert: connecting
// again repairs whatever an interrupted run left out. A running daemon has to
// be told afterwards.
func Connect(ctx context.Context, o Options) (Result, error) {
	if o.OnWait == nil {
		o.OnWait = func(Wait) {}
	}
	if o.Label == "" {
		o.Label = o.Facts.Hostname
	}
	tasks, err := taskFiles(o.Tasks)
	if err != nil {
		return Result{}, err
	}
	o.Tasks = tasks
	if err := o.Dir.Make(); err != nil {
		return Result{}, err
	}
	creds, err := LoadCredentials(o.Dir.Credentials())
	if err != nil && !errors.Is(err, ErrNoCredentials) {
		return Result{}, err
	}
	hosts, err := manifest.Open(ctx, o.Dir.Manifest())
	if err != nil {
		return Result{}, err
	}
	defer func() { _ = hosts.Close() }()

	if o.Code.Empty() {
		done, found, err := already(ctx, o, hosts, creds)
		if err != nil || found {
			return done, err
		}
	}
	answer, err := pair(ctx, o)
	if err != nil {
		return Result{}, err
	}
	if err := check(&answer, o); err != nil {
		if ctx.Err() != nil { // nobody said no: the question was interrupted
			err = context.Cause(ctx)
		}
		return Result{}, err
	}
	// The code is spent: from here on an interrupt must not leave half of it.
	return persist(context.WithoutCancel(ctx), o, hosts, answer)
}

// already looks for an entry that this very connect would make, and whose
// credential still stands.
func already(ctx context.Context, o Options, hosts *manifest.Manifest, creds Credentials) (Result, bool, error) {
	entries, err := hosts.Entries(ctx)
	if err != nil {
		return Result{}, false, err
	}
	for _, e := range entries {
		if e.Mode != manifest.ModeWorkspace || !sameBase(e.APIURL, o.APIURL) || e.Label != o.Label {
			continue
		}
		file, err := ReadWorkerFile(e.ConfigPath)
		token := creds.Operator(e.APIURL, e.WorkspaceID)
		if err != nil || file.WorkerID != e.ID || file.WorkerToken.Empty() || token.Empty() {
			continue // incomplete: pairing again repairs it
		}
		if !creds.Revoked(e.APIURL, e.WorkspaceID).IsZero() {
			continue // another credential may do, but its workers are not heard
		}
		if o.Verify != nil {
			valid, err := o.Verify(ctx, e.APIURL, token, e.WorkspaceID, e.ID)
			if err != nil {
				return Result{}, false, err
			}
			if !valid {
				continue
			}
		}
		result := Result{
			WorkerID: e.ID, Label: e.Label, APIURL: e.APIURL, WorkspaceID: e.WorkspaceID,
			ConfigPath: e.ConfigPath, Tasks: file.Tasks, Already: true,
		}
		if o.Tasks != nil && !slices.Equal(o.Tasks, file.Tasks) {
			file.Tasks, result.Tasks, result.Changed = o.Tasks, o.Tasks, true
			if err := WriteWorkerFile(e.ConfigPath, file); err != nil {
				return Result{}, false, err
			}
		}
		return result, true, nil
	}
	return Result{}, false, nil
}

// pair gets the credentials, by code or by a person's decision.
func pair(ctx context.Context, o Options) (api.RedeemResult, error) {
	req := api.RedeemRequest{Hostname: o.Facts.Hostname, OS: o.Facts.OS, Version: o.Facts.Version, Label: o.Label}
	if !o.Code.Empty() {
		return redeemCode(ctx, o.Remote, req, o.Code)
	}
	start, err := o.Remote.DeviceStart(ctx, api.DeviceStartRequest{
		Label: o.Label, Hostname: o.Facts.Hostname, OS: o.Facts.OS, Version: o.Facts.Version,
	})
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return api.RedeemResult{}, fmt.Errorf("start the pairing: %w", err)
	}
	if start.DeviceCode == "" || start.UserCode == "" || start.VerificationURI == "" {
		return api.RedeemResult{}, fmt.Errorf("start the pairing: %s did not answer like a control plane; check the URL", o.APIURL)
	}
	interval, deadline := pollTimes(start, time.Now())
	p := Pairing{
		UserCode: start.UserCode, URL: start.VerificationURI, CompleteURL: start.VerificationURIComplete,
		Interval: interval, ExpiresAt: deadline, ClockOff: clockOff(start, time.Now()),
	}
	if o.OnPairing != nil {
		o.OnPairing(p)
	}
	req.DeviceCode = start.DeviceCode
	return poll(ctx, o.Remote, req, p, o.OnWait)
}

// check refuses an answer that must not be acted on. Nothing is written yet.
func check(answer *api.RedeemResult, o Options) error {
	if err := hostdir.ValidID(answer.WorkerID); err != nil {
		return fmt.Errorf("the control plane sent a worker id that cannot be used: %w", err)
	}
	base, err := NormalizeURL(answer.APIURL)
	if err != nil {
		return fmt.Errorf("the control plane named an address that cannot be used: %w", err)
	}
	answer.APIURL = base
	if sameParty(o.APIURL, base) || o.ConfirmURL != nil && o.ConfirmURL(o.APIURL, base) {
		return nil
	}
	return &MovedError{From: o.APIURL, To: base}
}

// MovedError says that the control plane wants this host to talk to another
// machine from now on, and that nobody agreed.
type MovedError struct{ From, To string }

func (e *MovedError) Error() string {
	return fmt.Sprintf("%s wants this host to use %s from now on; nothing was written", e.From, e.To)
}

// persist writes what was agreed.
func persist(ctx context.Context, o Options, hosts *manifest.Manifest, answer api.RedeemResult) (Result, error) {
	entries, err := hosts.Entries(ctx)
	if err != nil {
		return Result{}, err
	}
	entry := manifest.Entry{
		ID: answer.WorkerID, Mode: manifest.ModeWorkspace, Running: true, Enabled: true, CreatedAt: time.Now(),
	}
	taken := map[string]bool{}
	for _, e := range entries {
		if e.ID == answer.WorkerID {
			entry = e // its file, switches and age stay
		}
		taken[e.ConfigPath] = true
	}
	if entry.ConfigPath == "" {
		entry.ConfigPath = freePath(o.Dir, o.Label, taken)
	}
	entry.Label, entry.APIURL, entry.WorkspaceID = o.Label, answer.APIURL, answer.WorkspaceID
	if answer.AuthMode == "claude_max" || answer.AuthMode == "api_key" { // the ones there are; its process is told
		entry.Settings.AuthMode = answer.AuthMode
	}

	err = WriteWorkerFile(entry.ConfigPath, WorkerFile{
		WorkerID: answer.WorkerID, WorkerToken: secret.Text(answer.WorkerToken), APIURL: answer.APIURL,
		WorkspaceID: answer.WorkspaceID, Tasks: o.Tasks,
	})
	if err != nil {
		return Result{}, err
	}
	file, err := ReadWorkerFile(entry.ConfigPath) // it may have had tasks before
	if err != nil {
		return Result{}, err
	}
	if err := PutOperator(o.Dir.Credentials(), answer.APIURL, answer.WorkspaceID, secret.Text(answer.OperatorToken)); err != nil {
		return Result{}, err
	}
	if err := hosts.Upsert(ctx, entry); err != nil {
		return Result{}, fmt.Errorf("add the worker to the manifest: %w", err)
	}
	result := Result{
		WorkerID: entry.ID, Label: entry.Label, APIURL: entry.APIURL, WorkspaceID: entry.WorkspaceID,
		EnvironmentID: answer.EnvironmentID, AuthMode: answer.AuthMode, ConfigPath: entry.ConfigPath,
		Tasks: file.Tasks, Changed: true,
	}
	if keys := answer.ReleaseKeys; o.Trust != nil && keys != nil && keys.First != "" {
		result.Distrust = o.Trust(ctx, hosts, answer.APIURL, *keys)
	}
	return result, nil
}

// freePath is the configuration file for a new worker: the label's slug, with
// a number when another worker has that one.
func freePath(dir hostdir.Dir, label string, taken map[string]bool) string {
	slug := hostdir.Slug(label)
	path := dir.WorkerConfig(slug)
	for n := 2; taken[path]; n++ {
		path = dir.WorkerConfig(fmt.Sprintf("%s-%d", slug, n))
	}
	return path
}

// ErrTaskFile says that a file of tasks cannot be used.
var ErrTaskFile = errors.New("the task file cannot be used")

// taskFiles makes the paths absolute, for they are read from elsewhere, and
// checks that files lie there.
func taskFiles(paths []string) ([]string, error) {
	if paths == nil {
		return nil, nil
	}
	out := make([]string, 0, len(paths))
	for _, p := range paths {
		abs, err := filepath.Abs(p)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrTaskFile, err)
		}
		info, err := os.Stat(abs)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrTaskFile, err)
		}
		if !info.Mode().IsRegular() {
			return nil, fmt.Errorf("%w: %s is not a plain file", ErrTaskFile, p)
		}
		out = append(out, abs)
	}
	return out, nil
}
