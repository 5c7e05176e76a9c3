package adoption

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"pipedai/manifest"
)

// proc is one that runs "... run --config <file>".
type proc struct {
	pid, parent int
	uid         int // -1 when it is not known
	start       int64
	argv        []string
	config      string // as its command line has it, made absolute
	unit        string // systemd's unit by its control group
	info        os.FileInfo
}

// errNoProcess says that a process is not there, or is none of a program.
var errNoProcess = errors.New("there is no such process")

// configOf returns the file of a command line "... run ... --config <file>".
func configOf(argv []string) (string, bool) {
	for i := 1; i < len(argv); i++ {
		if argv[i] != "run" {
			continue
		}
		for j := i + 1; j < len(argv); j++ {
			name, value, joined := strings.Cut(argv[j], "=")
			switch {
			case name != "--config" && name != "-config":
			case joined:
				return value, value != ""
			case j+1 < len(argv):
				return argv[j+1], argv[j+1] != ""
			}
		}
	}
	return "", false
}

// command is how a process was started, up to the file: what follows is
// nobody's business.
func (p proc) command() string {
	argv := p.argv
	for i, arg := range argv {
		if name, _, joined := strings.Cut(arg, "="); name == "--config" || name == "-config" {
			if !joined {
				i++
			}
			argv = argv[:min(i+1, len(argv))]
			break
		}
	}
	return strings.Join(argv, " ")
}

// runs reports whether the process runs the worker of a file, by whatever name.
func (p proc) runs(path string, info os.FileInfo) bool {
	return p.config == path || p.info != nil && info != nil && os.SameFile(p.info, info)
}

// foreign reports whether a process belongs to another user.
func (p proc) foreign() bool { return p.uid >= 0 && os.Geteuid() >= 0 && p.uid != os.Geteuid() }

func (p proc) user() string {
	if u, err := user.LookupId(strconv.Itoa(p.uid)); err == nil {
		return u.Username
	}
	return strconv.Itoa(p.uid)
}

// alive reports whether it is still the same process.
func (p proc) alive() bool {
	start, err := startOf(p.pid)
	return err == nil && start == p.start
}

// terminate asks a process to end. It never reaches another one that got the
// same number: the handle is of whatever has it now, and is looked at again.
func (p proc) terminate() error {
	handle, err := os.FindProcess(p.pid)
	if err != nil {
		return nil //nolint:nilerr // it has ended
	}
	defer func() { _ = handle.Release() }()
	if !p.alive() {
		return nil
	}
	if err := handle.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("ask process %d to end: %w", p.pid, err)
	}
	return nil
}

// standAlone are the processes that run the worker of a file and that are not
// the daemon's, each without those it started itself.
func (a *Adopter) standAlone(ctx context.Context, id, path string, info os.FileInfo) (others, ours []proc, err error) {
	all, err := workerProcesses()
	if err != nil {
		return nil, nil, fmt.Errorf("look at processes: %w", err)
	}
	var mine []proc
	for _, p := range all {
		if p.pid != os.Getpid() && p.runs(path, info) {
			mine = append(mine, p)
		}
	}
	if len(mine) == 0 {
		return nil, nil, nil
	}
	record, err := a.record(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	pids := map[int]bool{}
	for _, p := range mine {
		pids[p.pid] = true
	}
	for _, p := range mine {
		isOurs, isChild := false, false
		for at, hops := p.pid, 0; at > 1 && hops < 64; hops++ {
			isOurs = isOurs || at == a.o.DaemonPID || record.Live && record.PID == at
			isChild = isChild || at != p.pid && pids[at]
			at = parentOf(at)
		}
		switch {
		case isOurs:
			ours = append(ours, p)
		case !isChild:
			others = append(others, p)
		}
	}
	return others, ours, nil
}

// record is the process that the daemon has for a worker; a zero one when none.
func (a *Adopter) record(ctx context.Context, id string) (manifest.Process, error) {
	if a.o.Manifest == nil || id == "" {
		return manifest.Process{}, nil
	}
	p, err := a.o.Manifest.Process(ctx, id)
	if errors.Is(err, manifest.ErrNotFound) {
		err = nil
	}
	return p, err
}

// FileOf returns the worker.json that a process runs, or why that process
// cannot be adopted.
func (a *Adopter) FileOf(pid int) (string, error) {
	if pid == os.Getpid() || pid == a.o.DaemonPID {
		return "", fmt.Errorf("process %d is pipedai-orchestrator itself", pid)
	}
	p, err := lookAt(pid)
	switch {
	case errors.Is(err, errKernel):
		return "", fmt.Errorf("process %d is a kernel thread", pid)
	case err != nil:
		return "", fmt.Errorf("process %d: %w", pid, err)
	case p.foreign():
		return "", fmt.Errorf("process %d belongs to the user %s", pid, p.user())
	case p.config == "":
		return "", fmt.Errorf("process %d runs no worker: its command line has no \"run --config <file>\"", pid)
	}
	return p.config, nil
}

// errKernel says that a process is a thread of the kernel.
var errKernel = errors.New("a kernel thread")

// locate makes the file of a command line absolute and looks at it, from where
// the process is.
func locate(p *proc, config, dir, root string) {
	if !filepath.IsAbs(config) {
		if dir == "" {
			return // we may not know from where it counts
		}
		config = filepath.Join(dir, config)
	}
	p.config = filepath.Clean(config)
	if info, err := os.Stat(root + p.config); err == nil {
		p.info = info
	} else if info, err := os.Stat(p.config); err == nil && root != "" {
		p.info = info
	}
}

// scanPace is the pause between two looks at the processes while something is
// waited for.
const scanPace = 50 * time.Millisecond
