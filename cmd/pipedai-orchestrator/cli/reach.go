package cli

import (
	"context"
	"errors"
	"net/url"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/pkg/browser"

	"pipedai/api"
	"pipedai/daemon"
	"pipedai/daemon/localapi/localclient"
	"pipedai/enroll"
	"pipedai/internal/cliutil"
	"pipedai/internal/hostdir"
	"pipedai/internal/secret"
)

// reached is a running daemon and how to talk to it.
type reached struct {
	*localclient.Client
	info  daemon.Info
	token secret.Text
	ready bool
}

// base is the address of the local API and the page.
func (r reached) base() string { return localclient.URL(r.info.Port) }

// dashboardURL is the page with the token that opens it.
func (r reached) dashboardURL() string {
	return r.base() + "/?token=" + url.QueryEscape(r.token.Reveal())
}

// daemon finds the running daemon of the home. It creates nothing; without one
// it fails with exit code 3.
func (d *deps) daemon(ctx context.Context) (reached, error) {
	dir, err := d.dir()
	if err != nil {
		return reached{}, err
	}
	notRunning := func(err error) error {
		return cliutil.Fail(cliutil.ExitNotRunning, err, "start it: "+d.command("start"))
	}
	info, err := daemon.ReadInfo(dir)
	if err != nil {
		return reached{}, notRunning(err)
	}
	creds, err := enroll.LoadCredentials(dir.Credentials())
	if errors.Is(err, enroll.ErrNoCredentials) {
		return reached{}, notRunning(err)
	}
	if err != nil {
		return reached{}, err
	}
	r := reached{Client: localclient.New(info.Port, creds.LocalToken), info: info, token: creds.LocalToken}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	health, err := r.Health(ctx)
	var answer *api.Error
	switch {
	case errors.As(err, &answer):
		return reached{}, notRunning(daemon.ErrNoInfo) // a killed one left its file
	case err != nil:
		return reached{}, err
	}
	r.ready = health.Ready
	return r, nil
}

// connected reports whether this host was ever connected.
func connected(dir hostdir.Dir) bool {
	creds, err := enroll.LoadCredentials(dir.Credentials())
	return err == nil && len(creds.ControlPlanes()) > 0
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

// shellQuote makes one word of a path in a command that is shown.
func shellQuote(text string) string {
	if !strings.ContainsAny(text, " \t\n'\"\\$`*?[]{}()<>|&;#~!") {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
