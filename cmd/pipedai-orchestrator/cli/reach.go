package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os/exec"
	"runtime"
	"time"

	"github.com/pkg/browser"

	"pipedai/api"
	"pipedai/daemon"
	"pipedai/daemon/localapi/localclient"
	"pipedai/enroll"
	"pipedai/internal/backoff"
	"pipedai/internal/cliutil"
	"pipedai/internal/hostdir"
	"pipedai/internal/secret"
	"pipedai/manifest"
)

// reached is a running daemon and how to talk to it.
type reached struct {
	*localclient.Client
	info  daemon.Info
	token secret.Text
	ready bool
}

// base is the address of the local API and the page.
func (r reached) base() string { return r.info.URL() }

// dashboardURL is the page with the token that opens it.
func (r reached) dashboardURL() string {
	return r.base() + "/?token=" + url.QueryEscape(r.token.Reveal())
}

// daemon finds the running daemon of the home. It creates nothing; without one
// it fails with daemon.ErrNoInfo and exit code 3.
func (d *deps) daemon(ctx context.Context) (reached, error) {
	dir, err := d.dir()
	if err != nil {
		return reached{}, err
	}
	notRunning := cliutil.Fail(cliutil.ExitNotRunning, daemon.ErrNoInfo, "start it: "+d.command("start"))
	info, err := daemon.ReadInfo(dir)
	switch {
	case errors.Is(err, daemon.ErrNoInfo):
		return reached{}, notRunning
	case unusable(err):
		return reached{}, d.explainHome(err)
	case err != nil:
		return reached{}, cliutil.Fail(cliutil.ExitNotRunning, err, "end the daemon if it runs, then start it: "+d.command("start"))
	}
	creds, err := enroll.LoadCredentials(dir.Credentials())
	if errors.Is(err, enroll.ErrNoCredentials) {
		return reached{}, notRunning
	}
	if err != nil {
		return reached{}, d.explainHome(err)
	}
	r := reached{Client: localclient.New(info.URL(), creds.LocalToken).Through(d.traced), info: info, token: creds.LocalToken}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	health, err := r.Health(ctx)
	var answer *api.Error
	d.running = info.Version
	switch {
	case errors.As(err, &answer) && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return reached{}, cliutil.Failf(cliutil.ExitNotRunning, fmt.Sprintf("end it (kill -9 %d leaves the workers running), then start it: %s", info.PID, d.command("start")),
			"the daemon (pid %d) is there and does not answer", info.PID)
	case errors.As(err, &answer):
		return reached{}, notRunning // a killed one left its file
	case err != nil:
		return reached{}, err
	case health.PID != info.PID:
		return reached{}, notRunning // and the daemon of another home has its port now
	}
	r.ready = health.Ready
	d.spoken = r.Client
	return r, nil
}

// readyWait is how long a daemon that is starting is waited for.
const readyWait = 15 * time.Second

// waitReady returns when the daemon looks after its workers.
func (r reached) waitReady(ctx context.Context) error {
	if r.ready {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, readyWait)
	defer cancel()
	pace := backoff.Policy{Base: 50 * time.Millisecond, Max: time.Second}
	for tries := 1; ; tries++ {
		health, err := r.Health(ctx)
		if err == nil && health.Ready {
			return nil
		}
		if !pace.Wait(ctx, tries) {
			if errors.Is(ctx.Err(), context.Canceled) {
				return ctx.Err()
			}
			return cliutil.Fail(cliutil.ExitTimeout, fmt.Errorf("the daemon (pid %d) is still starting", r.info.PID), "try again in a moment")
		}
	}
}

// connected reports whether this host was ever connected.
func connected(dir hostdir.Dir) (bool, error) {
	creds, err := enroll.LoadCredentials(dir.Credentials())
	if errors.Is(err, enroll.ErrNoCredentials) {
		return false, nil
	}
	return len(creds.ControlPlanes()) > 0, err
}

// unusable reports whether the host's folder is what is wrong.
func unusable(err error) bool {
	var path *fs.PathError
	return errors.As(err, &path) || errors.Is(err, manifest.ErrReadOnly)
}

// explainHome adds what helps when the files of the host cannot be used. Other
// errors come back as they are.
func (d *deps) explainHome(err error) error {
	var newer *manifest.NewerError
	switch {
	case errors.As(err, &newer) && newer.Backup != "":
		return cliutil.Fail(cliutil.ExitFailed, err, "start the newer version; or go back, and lose what changed since: "+d.command("manifest restore "+daemon.ShellQuote(newer.Backup)))
	case errors.Is(err, manifest.ErrLocked):
		return cliutil.Fail(cliutil.ExitConflict, err, "end the other program that has the manifest open, then try again")
	case errors.Is(err, manifest.ErrCorrupt):
		return cliutil.Fail(cliutil.ExitFailed, err,
			"put a copy of it back; or move it away and connect this host again: "+d.command("connect --api-url <url>"))
	case errors.Is(err, manifest.ErrOutOfFiles):
		return cliutil.Fail(cliutil.ExitFailed, err, cliutil.MoreFiles)
	case errors.Is(err, fs.ErrPermission):
		if dir, at := d.dir(); at == nil {
			if owner, foreign := foreignOwner(dir.Home()); foreign {
				return cliutil.Fail(cliutil.ExitConflict, err, "it belongs to the user "+owner+"; work as that user: sudo -u "+daemon.ShellQuote(owner)+" "+program)
			}
		}
		fallthrough
	case unusable(err):
		return cliutil.Fail(cliutil.ExitFailed, err,
			"it has to be a folder that you may read and write; choose another one with --home or PIPEDAI_HOME")
	}
	return err
}

// openBrowser returns a function that shows a URL where there is a screen to
// show it on.
func openBrowser(getenv func(string) string) func(string) error {
	return func(address string) error {
		if runtime.GOOS == "linux" && getenv("DISPLAY") == "" && getenv("WAYLAND_DISPLAY") == "" {
			return errors.New("there is no screen")
		}
		if getenv("SSH_CONNECTION") != "" {
			return errors.New("this is a remote session")
		}
		if runtime.GOOS == "linux" {
			// The library would wait for the browser to end; it may outlive us.
			return exec.CommandContext(context.Background(), "xdg-open", address).Start()
		}
		return browser.OpenURL(address)
	}
}
