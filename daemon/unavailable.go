package daemon

import (
	"errors"
	"fmt"
	"net/http"
	"syscall"

	"pipedai/api"
	"pipedai/manifest"
)

// unwritten words a manifest that takes no writes.
func (h *host) unwritten(err error) error {
	var known *api.Error
	if errors.As(err, &known) {
		return err
	}
	if errors.Is(err, manifest.ErrTakenOver) {
		return conflict(manifest.ErrTakenOver.Error(), "see what it waits for: "+h.command("adopt --dry-run"))
	}
	return h.unavailable("this host's manifest cannot be written", err)
}

// explain words an error of this host for who asked; nil for one that a person
// can do nothing about.
func (h *host) explain(err error) *api.Error {
	switch {
	case manifest.Unavailable(err):
		return h.unavailable("this host's manifest cannot be used", err)
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return h.unavailable(manifest.ErrOutOfFiles.Error(), fmt.Errorf("%w: %w", manifest.ErrOutOfFiles, err))
	}
	return nil
}

// unavailable is a refusal that ends when the cause is put right.
func (h *host) unavailable(message string, err error) *api.Error {
	fix := "see that " + h.o.Dir.Orchestrator() + " is on a disk that has room and can be written"
	switch {
	case errors.Is(err, manifest.ErrLocked):
		fix = "try again when the program is done that holds " + h.o.Dir.Manifest() + ", a backup perhaps"
	case errors.Is(err, manifest.ErrOutOfFiles):
		fix = "let the daemon open more files (ulimit -n, or LimitNOFILE= of its service) and start it again"
	}
	return &api.Error{
		Status: http.StatusServiceUnavailable, Code: api.CodeUnavailable,
		Message: message, Detail: err.Error(), Fix: fix,
	}
}
