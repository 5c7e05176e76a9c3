package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"pipedai/daemon"
	"pipedai/daemon/connectivity"
	"pipedai/internal/cliutil"
	"pipedai/internal/localnet"
	"pipedai/internal/settings"
	"pipedai/upgrade"
)

// The keys of the daemon's settings.
const (
	keyHome          = "home"
	keyConfig        = "config"
	keyHost          = "host"
	keyPort          = "port"
	keyWorkerProgram = "workerProgram"
	keyStopGrace     = "stopGrace"
	keyUpgradeLimit  = "upgradeTimeout"
	keyDrainLimit    = "drainTimeout"
	keyProbeInternet = "probeInternet"
	keyVerbose       = "verbose"
	keyWhenRevoked   = "whenRevoked"
	keyRollouts      = "rollouts"
	keyLogFile       = "logFile"
	keyLogMaxSize    = "logMaxSize"
	keyLogBackups    = "logBackups"
	keyLogBudget     = "logBudget"
	keyRunDays       = "runDays"
	keyRunBudget     = "runBudget"
	keyKeepVersions  = "keepVersions"
	keyNPMRegistry   = "npmRegistry"
	keyNPMPackage    = "npmPackage"
	keyNPMScripts    = "npmScripts"
)

// daemonSettings is the table of them all. docs/configuration.md explains
// each, and a test compares the two.
func daemonSettings() settings.Table {
	return settings.Table{
		{Key: keyHome, Flag: "home", Env: []string{"PIPEDAI_HOME"}, NoFile: true, Usage: "folder of this host's files"},
		{Key: keyConfig, Flag: "config", Env: []string{"PIPEDAI_CONFIG"}, NoFile: true, Usage: "configuration file; default: orchestrator/config.yaml in the home, if there is one"},
		{Key: keyHost, Flag: "host", Env: []string{"PIPEDAI_HOST"}, Default: daemon.DefaultHost, Usage: "loopback address to listen on"},
		{Key: keyPort, Flag: "port", Env: []string{"PIPEDAI_PORT"}, Default: strconv.Itoa(daemon.DefaultPort), Check: checkPort, Usage: "port to listen on; 0 takes any free one"},
		{Key: keyWorkerProgram, Flag: "worker-program", Env: []string{"PIPEDAI_WORKER_PROGRAM"}, Usage: "the pipedai-worker to run; default: beside this program, then on the PATH"},
		{Key: keyStopGrace, Flag: "stop-grace", Env: []string{"PIPEDAI_STOP_GRACE"}, Default: "5m", Check: checkGrace, Usage: "how long a stopped worker may finish its run"},
		{Key: keyWhenRevoked, Flag: "when-revoked", Env: []string{"PIPEDAI_WHEN_REVOKED"}, Default: whenRevokedFinish, Check: checkWhenRevoked, Usage: "what becomes of the workers of a control plane that revokes this host: finish lets them end the runs they have in hand, kill ends them"},
		{Key: keyUpgradeLimit, Flag: "upgrade-timeout", Env: []string{"PIPEDAI_UPGRADE_TIMEOUT"}, Default: "1m", Check: checkGrace, Usage: "how long a version that a worker is upgraded to may take to prove itself"},
		{Key: keyDrainLimit, Flag: "drain-timeout", Env: []string{"PIPEDAI_DRAIN_TIMEOUT"}, Default: "30m", Check: checkGrace, Usage: "how long a drain waits for the run in hand"},
		{Key: keyRollouts, Flag: "rollouts", Env: []string{"PIPEDAI_ROLLOUTS"}, Default: rolloutsAllow, Check: checkRollouts, Usage: "whether control planes may have this host upgraded: allow or deny"},
		{Key: keyProbeInternet, Flag: "probe-internet", Env: []string{"PIPEDAI_PROBE_INTERNET"}, Default: strings.Join(connectivity.DefaultInternet, ","), Check: checkProbes, Usage: "URLs, separated by commas, that tell an outage of the network from one of a control plane; off asks nobody"},
		{Key: keyVerbose, Flag: "verbose", Env: []string{"PIPEDAI_VERBOSE"}, Default: "false", Kind: settings.Toggle, Usage: "log more"},
		{Key: keyLogFile, Flag: "log-file", Env: []string{"PIPEDAI_LOG_FILE"}, Default: "false", Kind: settings.Toggle, Usage: "keep the daemon's own log in a file, rotated, instead of writing it to the terminal"},
		{Key: keyLogMaxSize, Flag: "log-max-size", Env: []string{"PIPEDAI_LOG_MAX_SIZE"}, Default: "5", Check: checkWhole(1, 1024), Usage: "MiB at which the log of a worker is rotated"},
		{Key: keyLogBackups, Flag: "log-backups", Env: []string{"PIPEDAI_LOG_BACKUPS"}, Default: "3", Check: checkWhole(1, 100), Usage: "rotated logs kept of each worker"},
		{Key: keyLogBudget, Flag: "log-budget", Env: []string{"PIPEDAI_LOG_BUDGET"}, Default: "1024", Check: checkWhole(10, 1<<20), Usage: "MiB of all workers' logs together; the oldest rotated ones go first"},
		{Key: keyRunDays, Flag: "run-days", Env: []string{"PIPEDAI_RUN_DAYS"}, Default: "14", Check: checkWhole(1, 3650), Usage: "days for which the events of a run are kept"},
		{Key: keyRunBudget, Flag: "run-budget", Env: []string{"PIPEDAI_RUN_BUDGET"}, Default: "1024", Check: checkWhole(1, 1<<20), Usage: "MiB of all runs' events together; the oldest go first"},
		{Key: keyKeepVersions, Flag: "keep-versions", Env: []string{"PIPEDAI_KEEP_VERSIONS"}, Default: strconv.Itoa(upgrade.DefaultKeep), Check: checkWhole(1, 100), Usage: "installed versions kept of each program"},
		{Key: keyNPMRegistry, Flag: "npm-registry", Env: []string{"PIPEDAI_NPM_REGISTRY"}, Check: checkRegistry, Usage: "registry of Node packages; default: npm's own setting"},
		{Key: keyNPMPackage, Flag: "npm-package", Env: []string{"PIPEDAI_NPM_PACKAGE"}, Default: upgrade.WorkerPackage, Check: upgrade.CheckPackage, Usage: "Node package of pipedai-worker, for upgrade --npm"},
		{Key: keyNPMScripts, Flag: "npm-scripts", Env: []string{"PIPEDAI_NPM_SCRIPTS"}, Default: "false", Kind: settings.Toggle, Usage: "let Node packages run their install scripts"},
	}
}

// checkWhole accepts whole numbers from low to high.
func checkWhole(low, high int) func(string) error {
	return func(value string) error {
		if n, err := strconv.Atoi(value); err != nil || n < low || n > high {
			return fmt.Errorf("not a whole number from %d to %d", low, high)
		}
		return nil
	}
}

// What becomes of workers whose control plane revoked this host.
const (
	whenRevokedFinish = "finish"
	whenRevokedKill   = "kill"
)

func checkWhenRevoked(value string) error {
	if value != whenRevokedFinish && value != whenRevokedKill {
		return fmt.Errorf("%.60q is neither finish nor kill", value)
	}
	return nil
}

// Whether control planes may have this host upgraded.
const (
	rolloutsAllow = "allow"
	rolloutsDeny  = "deny"
)

func checkRollouts(value string) error {
	if value != rolloutsAllow && value != rolloutsDeny {
		return fmt.Errorf("%.60q is neither allow nor deny", value)
	}
	return nil
}

func checkPort(value string) error {
	if n, err := strconv.Atoi(value); err != nil || n < 0 || n > 65535 {
		return fmt.Errorf("%.60q is not between 0 and 65535", value)
	}
	return nil
}

func checkGrace(value string) error {
	switch t, err := time.ParseDuration(value); {
	case err != nil:
		return fmt.Errorf("%.60q is no duration like 90s or 5m", value)
	case t <= 0:
		return errors.New("must be more than 0")
	}
	return nil
}

func checkRegistry(value string) error {
	if value == "" { // npm's own
		return nil
	}
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !localnet.IsLoopback(u.Hostname())) {
		return fmt.Errorf("%.60q is not the URL of a registry: it begins with https://, and has no password in it", value)
	}
	return nil
}

func checkProbes(value string) error {
	_, err := connectivity.ParseInternet(value)
	return err
}

// configFile is the configuration file, and whether somebody named it: only
// then it must exist.
func (d *deps) configFile(flags *pflag.FlagSet) (path string, named bool, err error) {
	if flag := flags.Lookup("config"); flag != nil && flag.Changed {
		return flag.Value.String(), true, nil
	}
	if path := d.streams.Getenv("PIPEDAI_CONFIG"); path != "" {
		return path, true, nil
	}
	dir, err := d.dir()
	return dir.Config(), false, err
}

// resolve decides the daemon's settings as they are here and now.
func (d *deps) resolve(flags *pflag.FlagSet) (settings.Choices, error) {
	file, named, err := d.configFile(flags)
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(file)
	if err != nil && (named || errors.Is(err, fs.ErrPermission)) {
		return nil, cliutil.Fail(cliutil.ExitUsage, fmt.Errorf("read the configuration file: %w", err), "name a file that you may read with --config")
	} // what else is wrong with the home is told by whoever needs it
	all, err := daemonSettings().Resolve(flags, d.streams.Getenv, file, data)
	if err != nil {
		return nil, cliutil.Fail(cliutil.ExitUsage, err, "see: "+d.command("config show --origin"))
	}
	if c := all[keyHome]; c.Value == "" {
		if dir, err := d.dir(); err == nil {
			c.Value = dir.Home()
			all[keyHome] = c
		}
	}
	if c := all[keyConfig]; c.Value == "" && data != nil {
		c.Value = file
		all[keyConfig] = c
	}
	return all, nil
}
