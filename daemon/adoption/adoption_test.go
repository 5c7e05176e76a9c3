//go:build linux

package adoption

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"pipedai/api"
	"pipedai/manifest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newAdopter(t *testing.T, places Places, run Runner) *Adopter {
	t.Helper()
	dir := t.TempDir()
	m, err := manifest.Open(t.Context(), filepath.Join(dir, "manifest.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return New(Options{
		Manifest: m, Lock: filepath.Join(dir, "adopt.lock"), Places: &places, Run: run,
		Command: func(args, _ string) string { return args },
	})
}

func put(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func workerJSON(id string) string {
	return fmt.Sprintf(`{"workerId":%q,"workerToken":"wkt_x","apiUrl":"https://a.test/","workspaceId":"ws1"}`, id)
}

// Files are taken in the contract's order, each with its own outcome: one that
// cannot be used does not keep those after it from being adopted.
func TestAdopt_90_perFile(t *testing.T) {
	t.Parallel()
	a := newAdopter(t, Places{}, nil)
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	put(t, at("worker.json"), workerJSON("w1"))
	put(t, at("worker.a.json"), workerJSON("w1"))
	put(t, at("worker.bad-url.json"), `{"workerId":"w2","apiUrl":"not a url"}`)
	put(t, at("worker.bad-id.json"), `{"workerId":"../x","apiUrl":"https://a.test"}`)
	put(t, at("worker.empty.json"), ``)
	put(t, at("worker.list.json"), `[]`)
	put(t, at("worker.none.json"), `{"workerId":7,"apiUrl":"https://a.test"}`)
	put(t, at("worker.pool.json"), `{"workerId":"w3","apiUrl":"https://a.test","workspaceId":"ws1","isPool":true,"workerToken":"wkt_y"}`)
	put(t, at("worker.z.b.json"), `{"workerId":"w4","apiUrl":"https://a.test","workspaceId":null,"isPool":"true"}`)
	put(t, at("worker.deep.json"), strings.Repeat(`{"a":`, 20000)+`1`+strings.Repeat(`}`, 20000))
	put(t, at("worker.huge.json"), `{"workerId":"w5","apiUrl":"https://a.test","x":"`+strings.Repeat("x", maxFile)+`"}`)
	put(t, at("other.json"), workerJSON("w6"))
	put(t, at("workerx.json"), workerJSON("w6"))
	for _, err := range []error{
		os.Symlink(at("other.json"), at("worker.link.json")), syscall.Mkfifo(at("worker.pipe.json"), 0o600), os.Mkdir(at("worker.dir.json"), 0o700),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(put(t, at("worker.his.json"), workerJSON("w7")), 12345, -1); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(at("worker.pool.json"), 0o644); err != nil {
		t.Fatal(err)
	}
	paths, err := Files(dir)
	if err != nil {
		t.Fatal(err)
	}
	items, err := a.Adopt(t.Context(), Request{Paths: paths})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, item := range items {
		got[filepath.Base(item.Path)] = item.Status + ": " + item.Reason
	}
	want := map[string]string{
		"worker.a.json":       "adopted: ",
		"worker.bad-id.json":  `failed: id: "../x": not a valid id: use up to 128 of letters, digits, dot, dash and underscore`,
		"worker.bad-url.json": `failed: w2: apiUrl "not a url" is not an absolute URL`,
		"worker.deep.json":    "unusable: unreadable: not a JSON object",
		"worker.dir.json":     "unusable: not a plain file",
		"worker.empty.json":   "unusable: unreadable: not a JSON object",
		"worker.huge.json":    "unusable: larger than 1048576 bytes",
		"worker.json":         "managed: already managed (by workerId): " + at("worker.a.json") + " has the same",
		"worker.link.json":    "unusable: a symbolic link",
		"worker.list.json":    "unusable: unreadable: not a JSON object",
		"worker.none.json":    "unusable: missing workerId/apiUrl",
		"worker.pipe.json":    "unusable: not a plain file",
		"worker.pool.json":    "adopted: ",
		"worker.z.b.json":     "adopted: ",
	}
	if os.Geteuid() == 0 {
		want["worker.his.json"] = "unusable: belongs to another user"
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	entries, err := a.o.Manifest.Entries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var filed []string
	for _, e := range entries {
		filed = append(filed, fmt.Sprintf("%s %s %s %q %t %t", e.ID, e.Label, e.Mode, e.WorkspaceID, e.Running, e.Enabled))
	}
	if diff := cmp.Diff([]string{`w1 a workspace "ws1" true true`, `w3 pool pool "" true true`, `w4 z.b workspace "" true true`}, filed); diff != "" {
		t.Error(diff)
	}
	if entries[0].APIURL != "https://a.test/" {
		t.Errorf("apiUrl is not verbatim: %s", entries[0].APIURL)
	}
	if info, err := os.Stat(at("worker.pool.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others can still read it: %v", info.Mode())
	}
	again, err := a.Adopt(t.Context(), Request{Paths: paths[:1]})
	if err != nil || again[0].Reason != "already managed (by configPath)" {
		t.Errorf("once more: %+v, %v", again, err)
	}
}

func TestFiles_unreadableFolder(t *testing.T) {
	t.Parallel()
	if _, err := Files(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a folder that is not there was listed")
	}
}

// Processes that nobody should take over are refused, each with its reason.
func TestFileOf_P20_refusals(t *testing.T) {
	t.Parallel()
	a := newAdopter(t, Places{}, nil)
	a.o.DaemonPID = os.Getppid()
	sleep := exec.CommandContext(t.Context(), "sleep", "100")
	cases := map[int]string{os.Getpid(): "is pipedai-orchestrator itself", os.Getppid(): "is pipedai-orchestrator itself", 1 << 30: "no such process"}
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sleep.Process.Kill(); _ = sleep.Wait() })
	cases[sleep.Process.Pid] = "runs no worker"
	if _, err := os.Stat("/proc/2"); err == nil {
		if p, err := lookAt(2); err != nil && p.pid == 2 {
			cases[2] = "kernel thread"
		}
	}
	if os.Geteuid() == 0 {
		his := worker(t, 12345, filepath.Join(t.TempDir(), "worker.json"))
		cases[his] = "belongs to the user 12345"
	} else {
		cases[1] = "belongs to the user"
	}
	for pid, want := range cases {
		if path, err := a.FileOf(pid); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("process %d: %q, %v; want %s", pid, path, err, want)
		}
	}
}

// worker starts a process whose command line is a worker's.
func worker(t *testing.T, uid int, config string) int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", "sleep 100; :", "run", "--config", config)
	cmd.Args = []string{"pipedai-worker", "-c", "sleep 100; :", "run", "--config", config}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if uid != 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid)}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); _ = cmd.Wait() })
	return cmd.Process.Pid
}

// A worker that another user's process runs is neither adopted nor taken over.
func TestAdopt_P20_anotherUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can start a process of another user; TestFileOf_P20_refusals looks at process 1 instead")
	}
	a := newAdopter(t, Places{}, nil)
	path := put(t, filepath.Join(t.TempDir(), "worker.json"), workerJSON("w1"))
	pid := worker(t, 12345, path)
	for _, takeOver := range []bool{false, true} {
		items, err := a.Adopt(t.Context(), Request{Paths: []string{path}, TakeOver: takeOver})
		if err != nil || len(items) != 1 || items[0].Status == api.AdoptAdopted || items[0].Status == api.AdoptTakenOver {
			t.Fatalf("%+v, %v", items, err)
		}
		if text := items[0].Reason + items[0].Fix; !strings.Contains(text, fmt.Sprint(pid)) || !strings.Contains(text, "12345") {
			t.Errorf("it does not say whose: %+v", items[0])
		}
	}
	if p, err := lookAt(pid); err != nil || !p.alive() {
		t.Error("it was ended")
	}
}

// Without a daemon nothing is stopped: nobody would run the worker then.
func TestAdopt_noDaemonNoTakeOver(t *testing.T) {
	t.Parallel()
	a := newAdopter(t, Places{}, nil)
	path := put(t, filepath.Join(t.TempDir(), "worker.json"), workerJSON("w1"))
	pid := worker(t, 0, path)
	if _, err := a.Adopt(t.Context(), Request{Paths: []string{path}, TakeOver: true}); !errors.Is(err, ErrNoDaemon) {
		t.Errorf("take over: %v", err)
	}
	if p, err := lookAt(pid); err != nil || !p.alive() {
		t.Error("it was ended")
	}
}

func TestConfigOf(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"pipedai-worker run --config /a/worker.json":                  "/a/worker.json",
		"node /x/pipedai-worker run --slots 3 --config=/a b":          "/a",
		"pipedai-worker --config /a/worker.json":                      "",
		"pipedai-worker run":                                          "",
		"pipedai-worker run --config":                                 "",
		"/bin/sh -c 'exec pipedai-worker run --config \"/a b.json\"'": "/a b.json",
		`/bin/sh -c "cd /x && pipedai-worker run --config /a.json;"`:  "/a.json",
	} {
		if got, _ := configIn(splitWords(line)); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

// Units are found whatever way their text names the file.
func TestSystemd_find(t *testing.T) {
	t.Parallel()
	system, lib := t.TempDir(), t.TempDir()
	put(t, filepath.Join(system, "plain.service"), "[Service]\nExecStart=-/usr/bin/pipedai-worker run --config /h/worker.json\n")
	put(t, filepath.Join(system, "quoted.service"), "[Service]\nExecStart=\"/opt/my worker/w\" run \\\n  --config \"/h/worker.my box.json\"\n")
	put(t, filepath.Join(system, "relative.service"), "[Service]\nWorkingDirectory=/h\nExecStart=/bin/w run --config=worker.r.json\n")
	put(t, filepath.Join(system, "other.service"), "[Service]\nExecStart=/bin/nginx --config /etc/nginx\n# ExecStart=w run --config /h/x\n")
	put(t, filepath.Join(system, "reset.service"), "[Service]\nExecStart=/bin/w run --config /h/no\nExecStart=\nExecStart=/bin/w run --config /h/yes\n")
	put(t, filepath.Join(lib, "plain.service"), "[Service]\nExecStart=/bin/w run --config /h/shadowed\n")
	put(t, filepath.Join(lib, "w@.service"), "[Service]\nExecStart=/bin/w run --config /h/worker.%i.json\n")
	put(t, filepath.Join(system, "specifier.service"), "[Service]\nUser=nobody\nExecStart=/bin/w run --config %h/worker.%u.json\n")
	put(t, filepath.Join(system, "variable.service"), "[Service]\nUser=nobody\nExecStart=/bin/w run --config ${HOME}/worker.json\n")
	for _, err := range []error{
		os.Mkdir(filepath.Join(system, "multi-user.target.wants"), 0o755), os.Symlink("/dev/null", filepath.Join(system, "masked.service")),
		os.Symlink(filepath.Join(lib, "w@.service"), filepath.Join(system, "multi-user.target.wants", "w@box.service")),
		os.Mkdir(filepath.Join(system, "dropin.service.d"), 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	put(t, filepath.Join(system, "dropin.service"), "[Service]\nExecStart=/bin/w run -config /h/old\n")
	put(t, filepath.Join(system, "dropin.service.d", "x.conf"), "[Service]\nExecStart=\nExecStart=/bin/w run --config /h/new\n")
	s := &systemd{dirs: []string{system, lib}}
	got := map[string]string{}
	for _, u := range s.find() {
		s.inspect(t.Context(), &u)
		got[u.name] = fmt.Sprintf("%s %t", strings.Join(u.configs, ","), u.enabled)
	}
	want := map[string]string{
		"plain.service": "/h/worker.json false", "quoted.service": "/h/worker.my box.json false", "relative.service": "/h/worker.r.json false",
		"reset.service": "/h/yes false", "w@box.service": "/h/worker.box.json true", "dropin.service": "/h/new false",
		"specifier.service": "/root/worker.root.json false", "variable.service": filepath.Join(s.home("nobody"), "worker.json") + " false",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A unit that does not run now would at the next boot: that is in the way, too.
// One that a timer starts is not ours to stop.
func TestAdopt_enabledUnits(t *testing.T) {
	t.Parallel()
	units, dir := t.TempDir(), t.TempDir()
	path := put(t, filepath.Join(dir, "worker.json"), workerJSON("w1"))
	put(t, filepath.Join(units, "w.service"), "[Service]\nExecStart=/bin/w run --config "+path+"\n")
	timer := ""
	a := newAdopter(t, Places{System: []string{units}, SystemRuns: true}, func(_ context.Context, _ string, args ...string) (string, error) {
		if args[0] != "show" {
			t.Errorf("systemctl %v", args)
		}
		return "ActiveState=inactive\nUnitFileState=enabled\nMainPID=0\nTriggeredBy=" + timer + "\n", nil
	})
	items, err := a.Adopt(t.Context(), Request{Paths: []string{path}})
	if err != nil || items[0].Status != api.AdoptRunning || !strings.Contains(items[0].Reason, "w.service, at the next start") {
		t.Errorf("%+v, %v", items, err)
	}
	timer = "w.timer"
	a.o.Reload = func(context.Context) error { return nil }
	items, err = a.Adopt(t.Context(), Request{Paths: []string{path}, TakeOver: true})
	if err != nil || items[0].Status != api.AdoptFailed || !strings.Contains(items[0].Reason, "w.timer") {
		t.Errorf("%+v, %v", items, err)
	}
}

// The agents that older installs wrote are found and stopped for good.
func TestLaunchd_4_9_oldAgents(t *testing.T) {
	t.Parallel()
	agents := t.TempDir()
	file := put(t, filepath.Join(agents, "com.marolence.pipedai-worker.box.plist"), `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict>
  <key>Label</key><string>com.marolence.pipedai-worker.box</string>
  <key>EnvironmentVariables</key><dict><key>Label</key><string>no</string></dict>
  <key>ProgramArguments</key><array><string>/usr/bin/node</string><string>/w</string><string>run</string><string>--config</string><string>/h/worker.a &amp; b.json</string></array>
  <key>KeepAlive</key><dict><key>SuccessfulExit</key><false/></dict>
  <key>RunAtLoad</key><true/><key>ThrottleInterval</key><integer>30</integer>
</dict></plist>`)
	put(t, filepath.Join(agents, "other.plist"), `<plist><dict><key>ProgramArguments</key><array><string>x</string></array></dict></plist>`)
	put(t, filepath.Join(agents, "broken.plist"), `<plist><dict>`)
	var did []string
	l := &launchd{dir: agents, run: func(_ context.Context, name string, args ...string) (string, error) {
		did = append(did, name+" "+strings.Join(args, " "))
		return "{\n\t\"PID\" = 4711;\n};", nil
	}}
	found := l.find()
	if len(found) != 1 || found[0].configs[0] != "/h/worker.a & b.json" || found[0].name != "com.marolence.pipedai-worker.box" || !found[0].enabled {
		t.Fatalf("%+v", found)
	}
	l.inspect(t.Context(), &found[0])
	if found[0].pid != 4711 || !found[0].active {
		t.Errorf("%+v", found[0])
	}
	if err := l.disable(t.Context(), found[0]); err != nil || did[len(did)-1] != "launchctl unload -w "+file {
		t.Errorf("%v, %v", did, err)
	}
}

// One adopts at a time.
func TestAdopt_oneAtATime(t *testing.T) {
	t.Parallel()
	a := newAdopter(t, Places{}, nil)
	release, err := a.lock()
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if _, err := a.Adopt(t.Context(), Request{}); !errors.Is(err, ErrBusy) {
		t.Errorf("%v", err)
	}
}
