package daemon

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"pipedai/api"
	"pipedai/internal/hostdir"
	"pipedai/manifest"
)

// What is wrong with the file of a host, or with the machine, is said to who
// asks, with what helps. It was an internal server error.
func TestHost_explainsWhatIsWrongWithItsManifest(t *testing.T) {
	t.Parallel()
	dir, err := hostdir.At("/home/x/pipedai")
	noError(t, err)
	h := &host{o: Options{Dir: dir}}
	for cause, help := range map[error]string{
		manifest.ErrOutOfFiles: "ulimit -n",
		syscall.EMFILE:         "ulimit -n",
		manifest.ErrLocked:     "try again when the program is done that holds /home/x/pipedai/orchestrator/manifest.db",
		manifest.ErrReadOnly:   "/home/x/pipedai/orchestrator is on a disk that has room",
	} {
		answer := h.explain(fmt.Errorf(`entry "w1": read revision: %w`, cause))
		if answer == nil || answer.Status != http.StatusServiceUnavailable || answer.Code != api.CodeUnavailable ||
			!strings.Contains(answer.Detail, cause.Error()) || !strings.Contains(answer.Fix, help) {
			t.Errorf("%v: %+v", cause, answer)
		}
	}
	for _, other := range []error{manifest.ErrNotFound, errors.New("a defect"), nil} {
		if answer := h.explain(other); answer != nil {
			t.Errorf("%v: %+v", other, answer)
		}
	}
}
