package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"pipedai/api"
	"pipedai/enroll"
	"pipedai/internal/bounded"
	"pipedai/internal/secret"
	"pipedai/manifest"
	"pipedai/supervisor"
)

// How a build gets its worker at the control plane: a registration token, which
// the worker program trades for a worker, and the way back.

const (
	registerTimeout = time.Minute // of the worker program
	maxOutput       = 8 << 10     // of it that is kept
	noAnswer        = 3           // its exit code when the control plane does not answer
)

// buildMint gets a registration token, unless one came with the request.
func buildMint(ctx context.Context, op *operation) error {
	var in buildInput
	if err := op.input(&in); err != nil || in.Given {
		return err
	}
	plane, err := op.h.operatorOf(in.APIURL, in.WorkspaceID)
	if err != nil {
		return err
	}
	ask, cancel := context.WithTimeout(ctx, op.h.o.askLimit)
	defer cancel()
	minted, err := plane.MintRegistration(ask, in.WorkspaceID, api.MintRequest{Label: in.Label})
	if err != nil {
		// A token that was minted and got lost expires by itself.
		return op.h.upstream("build", manifest.Entry{Label: in.Label, APIURL: in.APIURL}, mintless(err))
	}
	op.token = secret.Text(minted.Token)
	return nil
}

// mintless explains a control plane that does not know of minting.
func mintless(err error) error {
	var answer *api.Error
	if errors.As(err, &answer) && answer.Status == http.StatusNotFound {
		out := *answer
		out.Status, out.Message = http.StatusNotImplemented, "the control plane issues no registration tokens for this workspace: "+answer.Message
		return &out
	}
	return err
}

// buildRegister has the worker registered, once.
func buildRegister(ctx context.Context, op *operation) error {
	var in buildInput
	if err := op.input(&in); err != nil {
		return err
	}
	if file, err := enroll.ReadWorkerFile(in.ConfigPath); err == nil && file.WorkerID != "" {
		return nil // it got that far before a kill
	}
	if op.token.Empty() && in.Given {
		return conflict("the daemon ended before the worker was registered, and the token went with it", "build it again with a new token")
	}
	if op.token.Empty() { // a token that a killed daemon had is lost; the control plane knows the hostname again
		if err := buildMint(ctx, op); err != nil {
			return settleUpstream(op, err)
		}
	}
	return op.h.register(ctx, op, in)
}

// register has the worker program trade the token for a worker. The token goes
// through a pipe: the list of processes does not show it.
func (h *host) register(ctx context.Context, op *operation, in buildInput) error {
	program, err := h.findWorkerProgram(h.o.WorkerProgram)
	if err != nil {
		return conflict(err.Error(), "")
	}
	ctx, cancel := context.WithTimeout(ctx, registerTimeout)
	defer cancel()
	args := append([]string(nil), h.o.WorkerArgs...)
	args = append(args, "register", "--token-stdin", "--api-url", in.APIURL, "--config", in.ConfigPath,
		"--hostname", in.Hostname, "--label", in.Label)
	if in.Pool {
		args = append(args, "--pool")
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = supervisor.Environment(append(h.commonEnv(), "AUTH_MODE="+in.AuthMode)...)
	cmd.Dir, cmd.WaitDelay = h.o.Dir.Workers(), time.Second
	cmd.Stdin = strings.NewReader(op.token.Reveal() + "\n")
	out := &bounded.Tail{Limit: maxOutput}
	cmd.Stdout, cmd.Stderr = out, out
	err = cmd.Run()
	h.reached("build/register/ran")
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); errors.Is(cause, errCancelled) || errors.Is(cause, errDetached) {
		return cause
	}
	failed := &api.Error{
		Status: http.StatusBadGateway, Code: api.CodeUpstream,
		Message: fmt.Sprintf("%s could not be registered: %s ended with %v", in.Label, filepath.Base(program), err),
		Fix:     "see what it says; then build it again",
	}
	failed.Detail = strings.ReplaceAll(strings.TrimSpace(out.String()), op.token.Reveal(), op.token.Reveal()[:min(5, len(op.token.Reveal()))]+"…")
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == noAnswer && !in.Given {
		// It may be registered there without our knowing its token, and ours may
		// be used up: with another one the hostname gets us the same worker.
		op.token = ""
		return again(failed)
	}
	return failed
}

// buildUnregister removes a worker that was registered and is not wanted.
func buildUnregister(ctx context.Context, op *operation) error {
	var in buildInput
	if err := op.input(&in); err != nil {
		return err
	}
	file, err := enroll.ReadWorkerFile(in.ConfigPath)
	if err != nil || file.WorkerID == "" {
		return nil // it did not get that far; a worker that was never heard of stays offline
	}
	if !in.Pool {
		ask, cancel := context.WithTimeout(ctx, op.h.o.askLimit)
		defer cancel()
		e := manifest.Entry{ID: file.WorkerID, Label: in.Label, APIURL: in.APIURL, WorkspaceID: file.WorkspaceID, Mode: manifest.ModeWorkspace}
		if err := insistUpstream(op, op.h.deleteUpstream(ask, e)); err != nil {
			return err // its file stays: the token in it is good
		}
	}
	op.h.forget(file.WorkerID, in.ConfigPath)
	return nil
}
