package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"time"

	goversion "github.com/hashicorp/go-version"

	"pipedai/api"
	"pipedai/daemon/launch"
	"pipedai/internal/buildinfo"
	"pipedai/manifest"
	"pipedai/upgrade"
)

// kindUpgradeSelf is the upgrade of this program.
const kindUpgradeSelf = "upgrade-self"

const (
	// defaultTrialLimit bounds how long a new version may take to show that it does.
	defaultTrialLimit = time.Minute
	// maxTries bounds how often a trial that was cut short is begun anew.
	maxTries = 3
	// aboutLimit bounds how long a program may take to say what it is.
	aboutLimit = 20 * time.Second
)

// selfVersions brings versions of this program to the host; *upgrade.Upgrader is
// one.
type selfVersions interface {
	Find(ctx context.Context, w upgrade.Wanted) (upgrade.Found, error)
	Fetch(ctx context.Context, f upgrade.Found, progress upgrade.Progress) (manifest.Installed, error)
	Prune(ctx context.Context, program string, inUse []string) ([]manifest.Installed, error)
}

var _ selfVersions = (*upgrade.Upgrader)(nil)

// selfWanted is what somebody wants this program to become.
type selfWanted struct {
	Version   string `json:"version,omitempty"` // exact; "" with no path is the newest
	FromLocal string `json:"fromLocal,omitempty"`
	APIURL    string `json:"apiUrl,omitempty"`
	Channel   string `json:"channel,omitempty"`

	AllowDowngrade bool `json:"allowDowngrade,omitempty"`
	Remote         bool `json:"remote,omitempty"` // a control plane ordered it
}

// selfInput is what "upgrade-self" was asked for.
type selfInput struct {
	selfWanted
	LimitMs int64 `json:"limitMs,omitempty"`
	Force   bool  `json:"force,omitempty"`
	// Rollback goes back to what ran before; to Version alone when that is set.
	Rollback bool `json:"rollback,omitempty"`
}

// selfState is what the steps found out.
type selfState struct {
	From      string         `json:"from"`              // version that ran
	To        string         `json:"to,omitempty"`      // as it was found
	Nothing   bool           `json:"nothing,omitempty"` // it runs already
	Candidate launch.Version `json:"candidate"`
	Order     launch.Order   `json:"order"` // what it has to do as well
}

// upgradeSelfKind makes the daemon another version of itself:
//
//	check     look for the version; refuse what failed here before
//	fetch     bring it beside the others, ask it what it is
//	rehearse  let go of everything; it has to do all that a daemon does, in a
//	          child process; see Rehearsal. The next daemon reads how that went.
//	switch    it is the one that runs now
//	verify    it reaches what was reached before; else the former one comes back
//
// From rehearse on this process is not the only one that carries out the steps:
// what one leaves the next takes up, as after any kill.
func upgradeSelfKind() opKind {
	return opKind{kindUpgradeSelf, []opStep{
		{name: "check", does: "looking for the version", do: selfCheck},
		{name: "fetch", does: "fetching it", do: selfFetch, settles: true},
		{name: "rehearse", does: "trying it", do: selfRehearse, final: true},
		{name: "switch", does: "becoming it", do: selfSwitch, undo: selfReturn, final: true},
		{name: "verify", does: "waiting for it to prove itself", do: selfVerify, final: true},
	}}
}

func selfWork(op *operation) (in selfInput, st selfState, err error) {
	return in, st, errors.Join(op.input(&in), op.state(&st))
}

func selfCheck(ctx context.Context, op *operation) error {
	in, st, err := selfWork(op)
	if err != nil {
		return err
	}
	st.From = buildinfo.Version()
	if in.Rollback && in.Version != "" && sameVersion(in.Version, st.From) {
		st.To, st.Nothing = st.From, true
		return op.keep(ctx, st, "")
	}
	if in.Rollback {
		if st.Candidate, err = op.h.formerSelf(ctx, in.Version); err != nil {
			return err
		}
		st.To = st.Candidate.Version
		return op.keep(ctx, st, "")
	}
	found, err := op.h.findSelf(ctx, in)
	if err != nil {
		return passing(op, err)
	}
	st.To = found.Version
	st.Nothing = in.FromLocal == "" && sameVersion(found.Version, st.From)
	return op.keep(ctx, st, "")
}

// formerSelf is what ran before: the version that was confirmed before, else the
// installed program. It must be version, if one is named.
func (h *host) formerSelf(ctx context.Context, version string) (launch.Version, error) {
	st, err := launch.Read(h.o.Dir)
	if err != nil {
		return launch.Version{}, err
	}
	if st.Previous != nil && (version == "" || sameVersion(st.Previous.Version.Version, version)) {
		return st.Previous.Version, launch.Intact(st.Previous.Version)
	}
	if h.o.Origin.Program == "" || version != "" && !sameVersion(h.o.Origin.Version, version) {
		return launch.Version{}, unprocessable("the daemon of this host was not upgraded from such a version", "name one: "+h.command("upgrade --self --version <version> --allow-downgrade"))
	}
	former, about, err := askProgram(ctx, h.o.Origin.Program)
	if err == nil && about.Trial != launch.Protocol {
		err = errors.New("it cannot be tried first")
	}
	if err != nil {
		return former, selfRefused("the installed program %s does not do: %v", h.o.Origin.Program, err)
	}
	return former, nil
}

// findSelf looks for what was asked for, and refuses what failed here before.
func (h *host) findSelf(ctx context.Context, in selfInput) (upgrade.Found, error) {
	if in.APIURL == "" && in.FromLocal == "" {
		var err error
		if in.APIURL, err = h.onlyPlane(ctx); err != nil {
			return upgrade.Found{}, err
		}
	}
	limit, cancel := context.WithTimeout(ctx, h.o.askLimit)
	defer cancel()
	found, err := h.ownVersions.Find(limit, upgrade.Wanted{
		APIURL: planeURL(in.APIURL), Program: program, Version: in.Version, Channel: in.Channel, Local: in.FromLocal,
		Running: buildinfo.Version(), AllowDowngrade: in.AllowDowngrade, Remote: in.Remote,
	})
	if err != nil {
		return found, err
	}
	return found, h.notFailed(found.Version, in.Force)
}

// maxSelfStumbles bounds how often the way to a version may fail.
const maxSelfStumbles = 3

// passing has a step tried again after what may be gone by then, a few times.
func passing(op *operation, err error) error {
	if upgrade.Passing(err) && op.stumbles < maxSelfStumbles {
		op.stumbles++
		return again(err)
	}
	return err
}

// notFailed refuses a version that did not do here.
func (h *host) notFailed(version string, force bool) error {
	if force || version == "" {
		return nil
	}
	st, err := launch.Read(h.o.Dir)
	if err != nil {
		return err
	}
	before, failed := st.Failed(version)
	if !failed {
		return nil
	}
	return &api.Error{
		Status: http.StatusConflict, Code: api.CodeConflict,
		Message: fmt.Sprintf("version %s did not do on this host on %s and is not tried again by itself", version, before.At.Format(time.DateTime)),
		Detail:  before.Reason, Fix: "try it again all the same: " + h.command("upgrade --self --version "+version+" --force"),
	}
}

// onlyPlane is the control plane of this host, when it has one.
func (h *host) onlyPlane(ctx context.Context) (string, error) {
	urls, err := h.planes(ctx)
	if err != nil {
		return "", err
	}
	one := ""
	for _, u := range urls {
		switch {
		case one == "":
			one = u
		case one != u:
			return "", conflict("this host has several control planes", "say whose releases are meant with apiUrl, --api-url on the command line")
		}
	}
	if one == "" {
		return "", conflict("this host is not connected to a control plane", "connect it, or take a program of this machine: "+h.command("upgrade --self --from-local <path>"))
	}
	return one, nil
}

func selfFetch(ctx context.Context, op *operation) error {
	in, st, err := selfWork(op)
	if err != nil || st.Nothing || st.Candidate.Program != "" {
		return err
	}
	found, err := op.h.findSelf(ctx, in)
	if err != nil {
		return passing(op, err)
	}
	have, err := op.h.ownVersions.Fetch(ctx, found, func(done, total int64) {
		if total > 0 {
			op.say(fmt.Sprintf("fetching it: %d of %d MiB", done>>20, total>>20))
		}
	})
	if err != nil {
		return passing(op, err)
	}
	c, about, err := askProgram(ctx, have.Path)
	if err != nil {
		return selfRefused("the program %s does not say what it is: %v", have.Path, err)
	}
	c.Name = have.Version
	switch {
	case in.FromLocal == "" && !sameVersion(about.Version, found.Version):
		c.Version = found.Version
		return op.h.failedSelf(c, fmt.Sprintf("it calls itself version %s", about.Version))
	case about.Trial != launch.Protocol:
		return selfRefused("version %s cannot be tried before it becomes the daemon; install it in the place of this one instead", about.Version)
	case !in.AllowDowngrade && lower(about.Version, buildinfo.Version()):
		return selfRefused("version %s is older than %s, which runs here; say that it may be: --allow-downgrade", about.Version, buildinfo.Version())
	}
	if err := op.h.notFailed(about.Version, in.Force || in.FromLocal != ""); err != nil {
		return err
	}
	st.To, st.Candidate = about.Version, c
	return op.keep(ctx, st, "")
}

// failedSelf notes a version that did not do, and returns why.
func (h *host) failedSelf(v launch.Version, why string) error {
	err := launch.Change(h.o.Dir, func(s *launch.State) { s.Fail(v, why) })
	return errors.Join(selfRefused("version %s does not do: %s", v.Version, why), err)
}

func selfRefused(format string, a ...any) error {
	return &api.Error{Status: http.StatusUnprocessableEntity, Code: api.CodeUpgradeFailed, Message: fmt.Sprintf(format, a...)}
}

// askProgram asks a program what it is, and takes its digest.
func askProgram(ctx context.Context, program string) (launch.Version, launch.About, error) {
	sum, err := launch.Digest(program)
	if err != nil {
		return launch.Version{}, launch.About{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, aboutLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "version", "--json")
	cmd.WaitDelay = time.Second
	cmd.Env = append(os.Environ(), "PIPEDAI_NO_UPDATE_NOTIFIER=1")
	out, err := cmd.Output()
	if err != nil {
		return launch.Version{}, launch.About{}, err
	}
	about, err := launch.ParseAbout(out)
	return launch.Version{Version: about.Version, Program: program, SHA256: sum, Schema: about.Manifest.Version}, about, err
}

// sameVersion reports whether two versions are one; builds of one are not.
func sameVersion(a, b string) bool {
	va, errA := goversion.NewVersion(a)
	vb, errB := goversion.NewVersion(b)
	if errA != nil || errB != nil {
		return a == b
	}
	return va.Equal(vb) && va.Metadata() == vb.Metadata()
}

func lower(a, b string) bool { return newer(b, a) }
