package daemon

import (
	"net"
	"testing"

	"pipedai/manifest"
)

// The doctor of the local API looks at the control planes of the workers here:
// one that nothing listens at is told with what helps, and what needs the
// connection is not tried.
func TestExamine(t *testing.T) {
	t.Parallel()
	h := networkHost(t)
	if report, err := h.Examine(t.Context()); err != nil || !report.OK || report.Checks == nil || len(report.Checks) > 0 {
		t.Errorf("a host without control planes: %+v, %v", report, err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	_ = l.Close()
	entry := manifest.Entry{ID: "w1", Label: "w1", APIURL: url, WorkspaceID: "ws1", Mode: manifest.ModeWorkspace, ConfigPath: "/w1.json", Running: true, Enabled: true}
	if err := h.manifest.Add(t.Context(), entry); err != nil {
		t.Fatal(err)
	}
	report, err := h.Examine(t.Context())
	if err != nil || report.OK || len(report.Checks) == 0 {
		t.Fatalf("%+v, %v", report, err)
	}
	failed := 0
	for _, c := range report.Checks {
		if c.Target != url {
			t.Errorf("it looked at %s", c.Target)
		}
		if c.Failed() {
			failed++
			if c.Name != "tcp" || c.Fix == "" {
				t.Errorf("%+v", c)
			}
		}
	}
	if failed != 1 {
		t.Errorf("%d failed: %+v", failed, report.Checks)
	}
}
