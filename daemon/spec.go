package daemon

import (
	"cmp"
	"path/filepath"

	"pipedai/api"
	"pipedai/daemon/launch"
	"pipedai/enroll"
	"pipedai/manifest"
	"pipedai/supervisor"
)

// spec is how a worker's process is started: by the daemon's settings, and by
// those of its entry where it has its own.
func (h *host) spec(e manifest.Entry) supervisor.Spec {
	own := e.Settings
	args := append([]string(nil), h.o.WorkerArgs...)
	which := cmp.Or(h.o.WorkerProgram, api.ProgramWorker)
	if e.Version != "" {
		which = pinned + e.Version
	}
	return supervisor.Spec{
		ID: e.ID, Program: which, Args: append(args, "run", "--config", e.ConfigPath), Config: e.ConfigPath,
		Env: h.workerEnv(e), Dir: cmp.Or(own.Dir, filepath.Dir(e.ConfigPath)),
		StopGrace: cmp.Or(own.StopGrace, h.o.StopGrace), Policy: policy(h.o.Policy, own.Restart), Limits: own.Limits,
	}
}

// policy is the daemon's with what an entry sets instead.
func policy(p supervisor.Policy, own manifest.Restart) supervisor.Policy {
	if len(own.Backoff) > 0 {
		p.Backoff = own.Backoff
	}
	if len(own.FinalCodes) > 0 {
		p.FinalCodes = own.FinalCodes
	}
	p.Stable, p.Budget = cmp.Or(own.Stable, p.Stable), cmp.Or(own.Budget, p.Budget)
	return p
}

// notForWorkers are variables of the daemon's own that a worker must not see:
// tokens, and what a service manager says to its service alone.
var notForWorkers = []string{
	"PIPEDAI_OPERATOR_TOKEN", "PIPEDAI_CONNECT_TOKEN", "PIPEWEAVE_API_TOKEN", "PIPEDAI_SERVICE", "PIPEDAI_CONFIG", launch.BecomeEnv, launch.TrialEnv,
	"NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID", "LISTEN_PIDFDID",
	"INVOCATION_ID", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID", "CREDENTIALS_DIRECTORY", "MANAGERPID", "MANAGERPIDFDID", "MEMORY_PRESSURE_WATCH", "MEMORY_PRESSURE_WRITE",
}

// commonEnv is what the worker program's environment has besides the daemon's,
// whichever worker it is run for; see supervisor.Environment.
func (h *host) commonEnv() []string {
	env := append([]string(nil), notForWorkers...) // without "=": taken out
	env = append(env, "PIPEDAI_HOME="+h.o.Dir.Home(), "PIPEDAI_LOCAL_RUN_EVENTS=1")
	return append(env, h.o.WorkerEnv...)
}

// workerEnv is commonEnv with what one worker is given, each line winning over
// those before it.
func (h *host) workerEnv(e manifest.Entry) []string {
	env := h.commonEnv()
	if e.Settings.AuthMode != "" {
		env = append(env, "AUTH_MODE="+e.Settings.AuthMode)
	}
	for name, value := range e.Settings.Env {
		env = append(env, name+"="+value)
	}
	secrets, err := enroll.ReadWorkerEnv(e.ConfigPath)
	if err != nil {
		h.o.Log.Error("the secret variables of a worker are left out", "worker", e.ID, "error", err)
	}
	for name, value := range secrets {
		env = append(env, name+"="+value.Reveal())
	}
	return env
}
