package supervisor

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"pipedai/manifest"
)

// daemonGroup is the name of the group that the daemon itself sits in where
// its unit has Delegate=yes and DelegateSubgroup=daemon. Only then may
// controllers be switched on in the group above: a group with processes of its
// own and controllers below takes no new process, and the service manager
// could not start the daemon again beside workers that it left running.
const daemonGroup = "daemon"

// cgroups is where workers get control groups of their own.
type cgroups struct {
	base        string   // their parent; "" when there is none
	controllers []string // of limits that can be set in them
	why         string   // what is missing
}

// cgroup is the group of one process; the zero value is none.
type cgroup struct{ dir string }

var errNoCgroup = errors.New("the worker has no control group of its own")

// findCgroups looks for a part of the cgroup v2 tree that was given to us.
// named, when not empty, is it; otherwise it is around our own group, if that
// was delegated: by its owner, or for root by the mark that systemd leaves.
func findCgroups(named string) cgroups {
	base := named
	if base == "" {
		own, err := ownCgroup()
		if err != nil {
			return cgroups{why: err.Error()}
		}
		base = own
		if filepath.Base(own) == daemonGroup {
			base = filepath.Dir(own)
		}
		if !delegated(base) {
			return cgroups{why: "no control group was delegated to the daemon; run it as a service with Delegate=yes"}
		}
	}
	if !isCgroup2(base) {
		return cgroups{why: base + " is not a folder of cgroup v2"}
	}
	c := cgroups{base: base}
	c.controllers, c.why = enable(base)
	return c
}

// enable switches on the controllers of limits for the children of base, as
// far as it may, and returns those that are on and what hinders the others.
func enable(base string) (on []string, why string) {
	wanted := []string{limitMemory, limitCPU, limitPIDs}
	on = words(base, "cgroup.subtree_control")
	there := words(base, "cgroup.controllers")
	missing := notIn(wanted, on)
	if len(missing) == 0 {
		return wanted, ""
	}
	for _, name := range missing {
		if !slices.Contains(there, name) {
			why = "the control group of the daemon has no controller for it"
			continue
		}
		if len(words(base, "cgroup.procs")) > 0 {
			why = "the daemon's unit needs DelegateSubgroup=" + daemonGroup + " (systemd 254)"
			continue
		}
		if err := os.WriteFile(filepath.Join(base, "cgroup.subtree_control"), []byte("+"+name), 0); err != nil {
			why = "the controller cannot be switched on: " + cause(err).Error()
			continue
		}
		on = append(on, name)
	}
	return notIn(wanted, notIn(wanted, on)), why
}

// words reads a file of a group.
func words(dir, name string) []string {
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return nil
	}
	return strings.Fields(string(data))
}

// ownCgroup is the folder of our own group.
func ownCgroup() (string, error) {
	data, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", fmt.Errorf("find the control group of the daemon: %w", cause(err))
	}
	path := ""
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "0::"); ok {
			path = strings.TrimSuffix(rest, "\n")
		}
	}
	if path == "" {
		return "", errors.New("this system has no cgroup v2")
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return "", fmt.Errorf("find cgroup v2: %w", cause(err))
	}
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 2 && f[2] == "cgroup2" {
			return filepath.Join(unescapeMount(f[1]), path), nil
		}
	}
	return "", errors.New("cgroup v2 is not mounted")
}

// unescapeMount undoes the octal spelling of blanks in a mount table.
func unescapeMount(s string) string {
	for _, c := range []string{" ", "\t", "\n", "\\"} {
		s = strings.ReplaceAll(s, fmt.Sprintf(`\%03o`, c[0]), c)
	}
	return s
}

func delegated(dir string) bool {
	if unix.Access(dir, unix.W_OK) != nil || unix.Access(filepath.Join(dir, "cgroup.procs"), unix.W_OK) != nil {
		return false
	}
	if os.Geteuid() != 0 {
		return true
	}
	// To root everything is writable; systemd marks what it gives away.
	for _, name := range []string{"trusted.delegate", "user.delegate"} {
		var value [8]byte
		if n, err := unix.Getxattr(dir, name, value[:]); err == nil && string(value[:n]) == "1" {
			return true
		}
	}
	return false
}

func isCgroup2(dir string) bool {
	var st unix.Statfs_t
	return unix.Statfs(dir, &st) == nil && st.Type == unix.CGROUP2_SUPER_MAGIC
}

// path names the group for a process; "" when there are none. It is the same
// whenever it is asked, so that it can be written down before it is made, and
// another one for each home and generation.
func (c cgroups) path(p *manifest.Process) string {
	if c.base == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(marker(p.FIFOOut)))
	return filepath.Join(c.base, "worker-"+p.ID+"-"+strconv.FormatInt(p.Generation, 10)+"-"+hex.EncodeToString(sum[:4]))
}

// create makes the group and sets what it is limited to; the limits that it
// could not set are listed, with the reason.
func (c cgroups) create(dir string, l Limits) (g cgroup, unset []string, why string, err error) {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return cgroup{}, nil, "", err
	}
	why = c.why
	for _, f := range limitFiles(l) {
		if slices.Contains(unset, f.limit) {
			continue
		}
		err := os.WriteFile(filepath.Join(dir, f.name), []byte(f.value), 0)
		if errors.Is(err, os.ErrNotExist) && f.name == "memory.oom.group" {
			err = nil // Linux 4.19
		}
		if err != nil {
			unset = append(unset, f.limit)
			if why == "" { // there is a controller, and it refused
				why = cause(err).Error()
			}
		}
	}
	return cgroup{dir: dir}, unset, why, nil
}

// find takes a recorded group up again, when it is still there.
func (cgroups) find(dir string) cgroup {
	if dir == "" || !isCgroup2(dir) {
		return cgroup{}
	}
	return cgroup{dir: dir}
}

// killCgroup kills everything in the group at once, whatever session it has
// gone to. errNoCgroup, or another error where the kernel cannot (before 5.14).
func (u *unixProcess) killCgroup() error {
	if u.cgroup.dir == "" {
		return errNoCgroup
	}
	return os.WriteFile(filepath.Join(u.cgroup.dir, "cgroup.kill"), []byte("1"), 0)
}

// removeTimeout bounds how long the end of killed processes is awaited.
const removeTimeout = time.Second

// remove removes the group with those that the worker made in it, as soon as
// nothing lives in it any more.
func (g cgroup) remove(log *slog.Logger) {
	if g.dir == "" {
		return
	}
	until := time.Now().Add(removeTimeout)
	events, err := os.Open(filepath.Join(g.dir, "cgroup.events"))
	if err == nil {
		defer events.Close()
		buf := make([]byte, 256)
		for {
			// Read before it is waited for: only what changes after that wakes.
			n, err := unix.Pread(int(events.Fd()), buf, 0)
			if err != nil || !strings.Contains(string(buf[:n]), "populated 1") {
				break
			}
			left := int(time.Until(until).Milliseconds())
			if left <= 0 {
				break
			}
			fds := []unix.PollFd{{Fd: int32(events.Fd()), Events: unix.POLLPRI}}
			if _, err := unix.Poll(fds, left); err != nil && !errors.Is(err, unix.EINTR) {
				break
			}
		}
	}
	if err := removeTree(g.dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		log.Warn("remove control group", "error", err)
	}
}

// removeTree removes a folder of groups from the bottom up; their files go
// with them.
func removeTree(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := removeTree(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return unix.Rmdir(dir)
}
