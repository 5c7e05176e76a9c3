package upgrade

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"syscall"

	"pipedai/api"
)

// refused is the answer to something that cannot be done as asked, whoever
// tries again.
func refused(code, message, fix string) error {
	return &api.Error{Status: http.StatusConflict, Code: code, Message: message, Fix: fix}
}

// invalid is the answer to a question that makes no sense.
func invalid(format string, a ...any) error {
	return &api.Error{Status: http.StatusUnprocessableEntity, Code: api.CodeInvalid, Message: fmt.Sprintf(format, a...)}
}

// broken is the answer when what was sent is not what was promised.
func broken(format string, a ...any) error {
	return &api.Error{Status: http.StatusBadGateway, Code: api.CodeArtifactBroken, Message: fmt.Sprintf(format, a...)}
}

// Passing reports whether an error may be gone at the next try: a network that
// failed, a server in trouble, a full disk. What was refused stays refused.
func Passing(err error) bool {
	var answer *api.Error
	if errors.As(err, &answer) {
		switch answer.Code {
		case api.CodeUnreachable, api.CodeUpstream, api.CodeDiskFull, api.CodeArtifactBroken, api.CodeUnavailable, api.CodeNotReady, api.CodeRateLimited, api.CodeTimeout:
			return true
		}
		return answer.Status == 0 || answer.Status >= 500
	}
	return false
}

// onDisk explains errors of the file system that a person can do something
// about.
func onDisk(err error, folder string) error {
	var number syscall.Errno
	switch {
	case err == nil:
		return nil
	case errors.As(err, &number) && diskFull(number):
		return &api.Error{Status: http.StatusServiceUnavailable, Code: api.CodeDiskFull, Message: "the disk is full: " + err.Error(),
			Fix: "make room below " + folder + ", for example: pipedai-orchestrator versions remove"}
	case errors.Is(err, fs.ErrPermission):
		return &api.Error{Status: http.StatusConflict, Code: api.CodeConflict, Message: "the versions folder cannot be written: " + err.Error(),
			Fix: "let " + folder + " belong to the user who runs this"}
	}
	return err
}
