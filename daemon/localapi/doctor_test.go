package localapi

import (
	"context"
	"testing"

	"pipedai/api"
)

var _ Doctor = (*fakeBackend)(nil)

func (b *fakeBackend) Examine(context.Context) (api.ConnectivityReport, error) {
	return api.ConnectivityReport{Checks: []api.ConnectivityCheck{{Target: "https://api.example.com", Name: "tcp", Message: "refused"}}}, b.broken
}

// A look that found something wrong is an answer, not an error; and a daemon
// that was told nothing of its settings has none, rather than null.
func TestDoctor_answers(t *testing.T) {
	t.Parallel()
	f := serveTest(t)
	report, err := f.client.Examine(t.Context())
	if err != nil || report.OK || len(report.Checks) != 1 || !report.Checks[0].Failed() {
		t.Errorf("%+v, %v", report, err)
	}
	if config, err := f.client.Config(t.Context()); err != nil || config.Items == nil {
		t.Errorf("%+v, %v", config, err)
	}
}
