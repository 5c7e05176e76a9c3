package inputschema

import (
	"testing"

	"github.com/dlclark/regexp2"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(stopping{m}) }

// stopping ends the clock of the backtracking engine, which runs a little
// longer than the last search that could have timed out.
type stopping struct{ *testing.M }

func (s stopping) Run() int {
	code := s.M.Run()
	regexp2.StopTimeoutClock()
	return code
}
