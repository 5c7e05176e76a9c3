package daemon

import (
	"testing"

	"pipedai/api"
	"pipedai/supervisor"
)

// What a worker's last start failed with says nothing of the version after it,
// until that one was tried: the first look may come before the start does.
func TestVerification_absent(t *testing.T) {
	t.Parallel()
	v := &verification{st: upgradeState{Restarts: 3}}
	for name, c := range map[string]struct {
		status  supervisor.Status
		late    bool
		failure string
		up      bool
	}{
		"it was not begun, and the version before did not start": {supervisor.Status{State: supervisor.Stopped, LastError: "changed", TotalRestarts: 3}, false, "", false},
		"it is being made":       {supervisor.Status{State: supervisor.Starting, TotalRestarts: 3}, false, "", false},
		"it could not be made":   {supervisor.Status{State: supervisor.BackingOff, LastError: "no such file", TotalRestarts: 4}, false, api.UpgradeFailedStart, false},
		"it runs":                {supervisor.Status{State: supervisor.Running, PID: 7, TotalRestarts: 3}, false, "", true},
		"it runs and took long":  {supervisor.Status{State: supervisor.Running, PID: 7, TotalRestarts: 3}, true, "", true},
		"it ended, another runs": {supervisor.Status{State: supervisor.Running, PID: 8, TotalRestarts: 4}, false, api.UpgradeFailedCrash, false},
		"it ended":               {supervisor.Status{State: supervisor.BackingOff, TotalRestarts: 4}, false, api.UpgradeFailedCrash, false},
		"it was never begun":     {supervisor.Status{State: supervisor.Stopped, TotalRestarts: 3}, true, api.UpgradeFailedStart, false},
	} {
		if failure, why := v.absent(c.status, c.late); failure != c.failure || (why == "") != c.up {
			t.Errorf("%s: %q, %q", name, failure, why)
		}
	}
}
