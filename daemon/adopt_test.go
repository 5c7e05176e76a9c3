//go:build unix

package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"pipedai/api"
	"pipedai/daemon/adoption"
	"pipedai/daemon/localapi/localclient"
	"pipedai/enroll"
	"pipedai/internal/hostdir"
	"pipedai/manifest"
)

// What stand-alone workers of these tests are told besides their file.
const (
	onlyVar  = "PIPEDAI_TEST_ONLY"  // folder in which a worker notes that it is not alone
	unitsVar = "PIPEDAI_TEST_UNITS" // folder of the units of a service manager that is made up
)

// alone takes a lock that no second process of the worker gets, and notes it
// when one tries.
func alone() {
	folder := os.Getenv(onlyVar)
	if folder == "" {
		return
	}
	name := strings.ReplaceAll(os.Args[len(os.Args)-1], "/", "_")
	f, err := os.OpenFile(filepath.Join(folder, name+".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}
	if err != nil {
		_ = os.WriteFile(filepath.Join(folder, fmt.Sprintf("twice-%d", os.Getpid())), []byte(err.Error()), 0o600)
		return
	}
	_ = f.Truncate(0)
	_, _ = f.WriteString(strconv.Itoa(os.Getpid()))
	heldOpen = f
}

// heldOpen is locked until the process ends.
var heldOpen *os.File

// adopterMain is the command that adopts, and dies where it is told to.
func adopterMain() int {
	dir, err := hostdir.Resolve(os.Getenv)
	if err != nil {
		return 1
	}
	m, err := manifest.Open(context.Background(), dir.Manifest())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	a := testAdopter(dir, m, os.Getenv(unitsVar), os.Getenv(dieVar))
	if len(os.Args) > 1 {
		item, err := a.Undo(context.Background(), os.Args[1])
		return printItems([]api.AdoptItem{item}, err)
	}
	paths, err := adoption.Files(dir.Home())
	if err != nil {
		return 1
	}
	return printItems(a.Adopt(context.Background(), adoption.Request{Paths: paths, TakeOver: true}))
}

func printItems(items []api.AdoptItem, err error) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_ = json.NewEncoder(os.Stdout).Encode(items)
	return 0
}

// testAdopter is one that talks to a running daemon as the command line does.
func testAdopter(dir hostdir.Dir, m *manifest.Manifest, units, die string) *adoption.Adopter {
	places := adoption.Places{}
	if units != "" {
		places = adoption.Places{System: []string{units}, SystemRuns: true}
	}
	o := adoption.Options{
		Manifest: m, Lock: dir.AdoptLock(), Command: func(args, _ string) string { return args },
		Grace: 20 * time.Second, Settle: 200 * time.Millisecond, Watch: 200 * time.Millisecond, Places: &places,
		Run: func(_ context.Context, name string, args ...string) (string, error) {
			return fakeSystemctl(units, args)
		},
		Reached: func(point string) {
			if point == die {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		},
	}
	if info, err := ReadInfo(dir); err == nil {
		creds, _ := enroll.LoadCredentials(dir.Credentials())
		client := localclient.New(info.URL(), creds.LocalToken)
		o.DaemonPID = info.PID
		o.Reload = func(ctx context.Context) error {
			_, err := client.Reload(ctx, api.ReloadRequest{})
			return err
		}
	}
	return adoption.New(o)
}

// fakeSystemctl keeps a unit's state in files: <unit>.enabled, <unit>.pid.
func fakeSystemctl(folder string, args []string) (string, error) {
	unit := filepath.Join(folder, args[len(args)-1])
	pid := 0
	if data, err := os.ReadFile(unit + ".pid"); err == nil {
		pid, _ = strconv.Atoi(string(data))
	}
	up := pid != 0 && alive(pid)
	if err := os.WriteFile(unit+".did", nil, 0o600); err != nil {
		return "", err
	}
	switch args[0] {
	case "show":
		state, file := "inactive", "disabled"
		if up {
			state = "active"
		} else {
			pid = 0
		}
		if _, err := os.Stat(unit + ".enabled"); err == nil {
			file = "enabled"
		}
		return fmt.Sprintf("ActiveState=%s\nUnitFileState=%s\nMainPID=%d\nTriggeredBy=\nFragmentPath=%s\n", state, file, pid, unit), nil
	case "disable":
		if _, err := os.Stat(unit + ".stuck"); err == nil {
			return "", errors.New("no permission")
		}
		_ = os.Remove(unit + ".enabled")
	case "enable":
		return "", os.WriteFile(unit+".enabled", nil, 0o600)
	case "stop":
		if up {
			return "", syscall.Kill(pid, syscall.SIGTERM)
		}
	case "start":
		if up {
			return "", nil
		}
		text, err := os.ReadFile(unit)
		if err != nil {
			return "", err
		}
		_, config, _ := strings.Cut(string(text), "--config ")
		cmd := standAlone(strings.TrimSpace(config), os.Getenv(onlyVar))
		if err := cmd.Start(); err != nil {
			return "", err
		}
		return "", os.WriteFile(unit+".pid", []byte(strconv.Itoa(cmd.Process.Pid)), 0o600)
	}
	return "", nil
}

func standAlone(config, only string) *exec.Cmd {
	self, _ := os.Executable()
	cmd := exec.Command(self, "run", "--config", config)
	cmd.Env = append(os.Environ(), roleVar+"=worker", onlyVar+"="+only, drainVar+"=50ms")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// lonely is a home with a daemon and one stand-alone worker, w9.
type lonely struct {
	dir         hostdir.Dir
	d           running
	file        string
	only, units string
	content     string
}

func newLonely(t *testing.T) lonely {
	t.Helper()
	p := newPlane(t, "w9")
	l := lonely{dir: newHome(t, p.URL), only: t.TempDir(), units: t.TempDir()}
	l.file = filepath.Join(l.dir.Home(), "worker.pdf.json")
	l.content = fmt.Sprintf("{\"workerId\":\"w9\", \"workerToken\":\"wkt_the-token-of-w9\",\n \"apiUrl\":%q, \"workspaceId\":\"ws1\"}\n", p.URL)
	if err := os.WriteFile(l.file, []byte(l.content), 0o644); err != nil {
		t.Fatal(err)
	}
	l.d = spawnDaemon(t, l.dir, onlyVar+"="+l.only).client(t, l.dir)
	t.Cleanup(func() {
		if pid := l.pid(); pid != 0 {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	return l
}

// pid is the one process of the worker, by the lock that it holds; 0 when none does.
func (l lonely) pid() int {
	data, err := os.ReadFile(filepath.Join(l.only, strings.ReplaceAll(l.file, "/", "_")+".lock"))
	if err != nil {
		return 0
	}
	pid, _ := strconv.Atoi(string(data))
	if pid == 0 || !alive(pid) {
		return 0
	}
	return pid
}

func (l lonely) run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var env []string
	for len(args) > 0 && strings.Contains(args[0], "=") {
		env, args = append(env, args[0]), args[1:]
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), roleVar+"=adopter", "PIPEDAI_HOME="+l.dir.Home(), onlyVar+"="+l.only, unitsVar+"="+l.units)
	cmd.Env = append(cmd.Env, env...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	return string(out) + errs.String(), err
}

// byHand starts the worker as a person would, and waits for it.
func (l lonely) byHand(t *testing.T) int {
	t.Helper()
	cmd := standAlone(l.file, l.only)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = cmd.Wait() }()
	until(t, "it runs", func() bool { return l.pid() == cmd.Process.Pid })
	return cmd.Process.Pid
}

// byUnit has a unit run it.
func (l lonely) byUnit(t *testing.T) int {
	t.Helper()
	unit := filepath.Join(l.units, "pdf.service")
	text := "[Service]\nExecStart=/usr/bin/pipedai-worker run --config " + l.file + "\n"
	if err := errors.Join(os.WriteFile(unit, []byte(text), 0o600), os.WriteFile(unit+".enabled", nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	pid := l.byHand(t)
	if err := os.WriteFile(unit+".pid", []byte(strconv.Itoa(pid)), 0o600); err != nil {
		t.Fatal(err)
	}
	return pid
}

func (l lonely) enabled() bool {
	_, err := os.Stat(filepath.Join(l.units, "pdf.service.enabled"))
	return err == nil
}

func (l lonely) neverTwice(t *testing.T) {
	t.Helper()
	if found, _ := filepath.Glob(filepath.Join(l.only, "twice-*")); len(found) > 0 {
		t.Errorf("it ran twice: %v", found)
	}
	if data, err := os.ReadFile(l.file); err != nil || string(data) != l.content {
		t.Errorf("its file was changed: %q, %v", data, err)
	}
}

// An adoption that is killed anywhere goes on when it is asked for again, and
// at no instant two processes run the worker.
func TestAdopt_90_killedAtEveryStep(t *testing.T) {
	t.Parallel()
	for kind, points := range map[string][]string{
		"by hand": {"", "filed", "asked", "stopped", "allowed", "told", "running", "adopted"},
		"by unit": {"", "filed", "disabled", "unit-stopped", "stopped", "allowed", "told", "running", "adopted"},
	} {
		for _, point := range points {
			t.Run(kind+"/"+point, func(t *testing.T) {
				t.Parallel()
				l := newLonely(t)
				start := l.byHand
				if kind == "by unit" {
					start = l.byUnit
				}
				before := start(t)
				if point != "" {
					if out, err := l.run(t, dieVar+"="+point); err == nil {
						t.Fatalf("it was not killed at %s: %s", point, out)
					}
				}
				out, err := l.run(t)
				if err != nil || !strings.Contains(out, api.AdoptTakenOver) && point != "adopted" {
					t.Fatalf("it did not go on: %v: %s", err, out)
				}
				now := l.d.pid(t, "w9")
				until(t, "the daemon's process has the lock", func() bool { return l.pid() == now })
				if alive(before) || now == before {
					t.Errorf("process %d runs on beside %d", before, now)
				}
				if l.enabled() {
					t.Error("its unit is still enabled")
				}
				l.neverTwice(t)
			})
		}
	}
}

// An undo that is killed anywhere goes on, too; afterwards all is as it was.
func TestAdopt_undoKilledAtEveryStep(t *testing.T) {
	t.Parallel()
	for _, point := range []string{"", "undo-begun", "undo-stopped", "undo-removed", "undo-enabled", "undo-started", "undo-restored", "undone"} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			l := newLonely(t)
			l.byUnit(t)
			if out, err := l.run(t); err != nil || !strings.Contains(out, api.AdoptTakenOver) {
				t.Fatalf("%v: %s", err, out)
			}
			ours := l.d.pid(t, "w9")
			if point != "" {
				if out, err := l.run(t, dieVar+"="+point, "w9"); err == nil {
					t.Fatalf("it was not killed at %s: %s", point, out)
				}
			}
			for range 2 { // the second finds nothing to do
				if out, err := l.run(t, "w9"); err != nil || !strings.Contains(out, api.AdoptUndone) {
					t.Fatalf("%v: %s", err, out)
				}
			}
			until(t, "the unit runs it", func() bool { return l.pid() != 0 && l.pid() != ours })
			if !l.enabled() || alive(ours) || entryOf(t, l.dir, "w9").ID != "" {
				t.Errorf("enabled %t, ours alive %t", l.enabled(), alive(ours))
			}
			if info, err := os.Stat(l.file); err != nil || info.Mode().Perm() != 0o644 {
				t.Errorf("the file's mode: %v, %v", info.Mode(), err)
			}
			l.neverTwice(t)
		})
	}
}

// A unit that cannot be disabled keeps running its worker, and nobody else does.
func TestAdopt_failureLeavesThingsAsBefore(t *testing.T) {
	t.Parallel()
	l := newLonely(t)
	before := l.byUnit(t)
	if err := os.WriteFile(filepath.Join(l.units, "pdf.service.stuck"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := l.run(t)
	if err != nil || !strings.Contains(out, "no permission") || !strings.Contains(out, "as before") {
		t.Fatalf("%v: %s", err, out)
	}
	if l.pid() != before || !l.enabled() || entryOf(t, l.dir, "w9").ID != "" {
		t.Errorf("process %d, was %d, enabled %t", l.pid(), before, l.enabled())
	}
	l.neverTwice(t)
}

// Something that starts the worker again is noticed before the daemon does.
func TestAdopt_cameBack(t *testing.T) {
	t.Parallel()
	l := newLonely(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	loop := exec.CommandContext(t.Context(), "/bin/sh", "-c", `while :; do "$0" run --config "$1"; done`, self, l.file)
	loop.Env = append(os.Environ(), roleVar+"=worker", onlyVar+"="+l.only)
	loop.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := loop.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-loop.Process.Pid, syscall.SIGKILL)
		_ = loop.Wait()
	})
	until(t, "it runs", func() bool { return l.pid() != 0 })
	out, err := l.run(t)
	if err != nil || !strings.Contains(out, adoption.ErrCameBack.Error()) || !strings.Contains(out, strconv.Itoa(loop.Process.Pid)) {
		t.Fatalf("%v: %s", err, out)
	}
	if entryOf(t, l.dir, "w9").ID != "" {
		t.Error("it is adopted all the same")
	}
	l.neverTwice(t)
}

// What was taken over can be given back through the local API: nothing of the
// daemon's runs it then, and nobody else's process was started for it.
func TestAdopt_undoThroughTheLocalAPI(t *testing.T) {
	t.Parallel()
	l := newLonely(t)
	before := l.byHand(t)
	ctx := t.Context()
	if _, err := l.d.UndoAdopt(ctx, api.UndoAdoptRequest{WorkerID: "w9"}); asAPI(t, err).Status != 404 {
		t.Errorf("nothing was adopted yet: %v", err)
	}
	if _, err := l.d.Adopt(ctx, api.AdoptRequest{PIDs: []int{before}, TakeOver: true}); err != nil {
		t.Fatal(err)
	}
	seen, err := l.d.Adoptable(ctx)
	if err != nil || len(seen.Items) != 1 || !seen.Items[0].Adopted || seen.Items[0].Status != api.AdoptManaged {
		t.Fatalf("it cannot be given back: %+v, %v", seen, err)
	}
	for _, again := range []bool{false, true} {
		got, err := l.d.UndoAdopt(ctx, api.UndoAdoptRequest{WorkerID: "w9"})
		if err != nil || got.Operation != nil || len(got.Items) != 1 || got.Items[0].Status != api.AdoptUndone {
			t.Fatalf("again %v: %+v, %v", again, got, err)
		}
	}
	if entryOf(t, l.dir, "w9").ID != "" {
		t.Error("it is still managed")
	}
	if seen, err = l.d.Adoptable(ctx); err != nil || seen.Items[0].Adopted {
		t.Errorf("it can be given back once more: %+v, %v", seen, err)
	}
	l.neverTwice(t)
}

// Without a take-over what runs stays as it is; through the local API a
// take-over is an operation. While one is under way nothing starts the worker.
func TestAdopt_localAPI(t *testing.T) {
	t.Parallel()
	l := newLonely(t)
	before := l.byHand(t)
	ctx := t.Context()
	for name, ask := range map[string]func() (api.AdoptResult, error){
		"look":  func() (api.AdoptResult, error) { return l.d.Adoptable(ctx) },
		"adopt": func() (api.AdoptResult, error) { return l.d.Adopt(ctx, api.AdoptRequest{}) },
	} {
		got, err := ask()
		if err != nil || len(got.Items) != 1 || got.Items[0].Status != api.AdoptRunning || len(got.Items[0].Processes) != 1 ||
			got.Items[0].Processes[0].PID != before || !strings.Contains(got.Items[0].Fix, "adopt --take-over") {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if l.pid() != before || entryOf(t, l.dir, "w9").ID != "" {
		t.Fatal("it was touched without a take-over")
	}
	if _, err := l.d.Adopt(ctx, api.AdoptRequest{Paths: []string{"worker.json"}}); asAPI(t, err).Status != 422 {
		t.Errorf("a relative path: %v", err)
	}
	got, err := l.d.Adopt(ctx, api.AdoptRequest{PIDs: []int{before}, TakeOver: true})
	if err != nil || got.Operation != nil || len(got.Items) != 1 || got.Items[0].Status != api.AdoptTakenOver {
		t.Fatalf("take over: %+v, %v", got, err)
	}
	if now := l.d.pid(t, "w9"); now == before || alive(before) {
		t.Errorf("process %d, before %d", now, before)
	}
	l.neverTwice(t)

	m, err := manifest.Open(ctx, l.dir.Manifest())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	all, err := m.Adoptions(ctx)
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	all[0].Status, all[0].Step = manifest.AdoptionTakingOver, "stop"
	if err := m.ChangeAdoption(ctx, all[0], manifest.StopEntry); err != nil {
		t.Fatal(err)
	}
	if _, err := l.d.Act(ctx, "w9", "start"); asAPI(t, err).Status != 409 {
		t.Errorf("a start during a take-over: %v", err)
	}
	self, err := l.d.Self(ctx)
	if err != nil || !strings.Contains(fmt.Sprint(self.Health), "adoption_unfinished") {
		t.Errorf("its health does not say so: %+v, %v", self.Health, err)
	}
}
