package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pipedai/api"
	"pipedai/internal/sqlitefile"
)

// The promise of this file: whatever happens to a host, its daemon or its
// workers, when it is over every worker is in its desired state with exactly
// one process, no line of output is lost or doubled (but those that a marker
// counts, while the disk was full), and nothing is left over: no zombie, no
// descriptor, no FIFO, no damage in the manifest.
//
// PIPEDAI_FAULTS makes it longer (make test-long: 1000), PIPEDAI_FAULTS_SEED
// repeats a choice of faults. A step of the clock is not among them: nobody may set the clock of
// the machine. What a step of it does is TestSupervisor_P10_wallClockSteps, with
// a clock of its own.

const (
	hostFaults   = 240
	faultHosts   = 4
	faultsAtOnce = 10 // before the host must come to rest
)

// faultKinds are the workers of each host.
var faultKinds = map[string]string{
	"steady": "steady", "second": "steady", "stubborn": "stubborn", "parent": "parent",
	"flood": "flood", "quitter": "quitter", "broken": "broken", "idle": "idle",
}

// fault is one thing that happens.
type fault struct {
	name  string
	share int
	do    func(*faults)
}

func allFaults() []fault {
	return []fault{
		{"daemon killed", 5, (*faults).killDaemon},
		{"daemon restarted", 5, (*faults).restartDaemon},
		{"daemon restarted on the command line", 1, (*faults).restartByCommand},
		{"daemon stopped in order", 1, (*faults).stopDaemon},
		{"daemon frozen", 4, (*faults).freezeDaemon},
		{"daemon killed, its successor is short of descriptors", 2, (*faults).bootShort},
		{"descriptors run out", 3, (*faults).exhaust},
		{"worker killed", 20, (*faults).killWorker},
		{"worker frozen", 14, (*faults).freezeWorker},
		{"verb", 30, (*faults).anyVerb},
		{"verbs against each other", 10, (*faults).fightingVerbs},
		{"manifest locked", 3, (*faults).lockManifest},
		{"logs cannot be written", 2, (*faults).fillLogs},
	}
}

// faults is one host and what happens to it.
type faults struct {
	*faultHost
	choice  *rand.Rand
	mounted bool // the logs are on a disk of their own
	locks   sync.WaitGroup
	story   []string
}

func TestHost_faults(t *testing.T) {
	t.Parallel()
	count := setting(t, "PIPEDAI_FAULTS", hostFaults)
	seed := uint64(setting(t, "PIPEDAI_FAULTS_SEED", int(time.Now().UnixNano()&0xffff)))
	t.Logf("seed %d", seed)
	for i := range faultHosts {
		t.Run(fmt.Sprint("host", i), func(t *testing.T) {
			t.Parallel()
			f := &faults{choice: rand.New(rand.NewPCG(seed, uint64(i)))}
			f.faultHost = newFaultHost(t, faultKinds, func(logs string) {
				if i%2 == 0 {
					f.mounted = smallDisk(t, logs)
				}
			})
			f.run(t, count/faultHosts)
		})
	}
}

// smallDisk puts a small disk at a folder.
func smallDisk(t *testing.T, folder string) bool {
	t.Helper()
	if err := unix.Mount("tmpfs", folder, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "size=64m,mode=0700"); err != nil {
		if os.Getuid() == 0 && !errors.Is(err, unix.EPERM) {
			t.Fatalf("mount a small disk for the logs: %v", err)
		}
		t.Logf("NOT PROVED HERE: a full disk. It takes the right to mount one (%v). The folder of the logs is taken away instead.", err)
		return false
	}
	t.Cleanup(func() {
		if err := unix.Unmount(folder, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount the small disk: %v", err)
		}
	})
	return true
}

func (f *faults) run(t *testing.T, count int) {
	f.boot(0)
	f.configure()
	f.settle(f.told)
	all := allFaults()
	var deck []fault
	for _, one := range all {
		for range one.share {
			deck = append(deck, one)
		}
	}
	deal := slices.Clone(all[:min(count, len(all))]) // each once, at least
	for len(deal) < count {
		deal = append(deal, deck[f.choice.IntN(len(deck))])
	}
	f.choice.Shuffle(count, func(i, j int) { deal[i], deal[j] = deal[j], deal[i] })
	done := map[string]int{}
	for n, one := range deal {
		if n%faultsAtOnce == 0 {
			f.story = nil
		}
		f.story = append(f.story, fmt.Sprintf("%s %d: %s", time.Now().Format("15:04:05.000"), n, one.name))
		one.do(f)
		done[one.name]++
		f.moment(30)
		if n%faultsAtOnce == faultsAtOnce-1 || n == count-1 {
			f.rest()
		}
	}
	f.finish()
	var lines, ends, alone, marked int64
	for _, w := range f.book.workers {
		lines, ends, alone, marked = lines+w.lines, ends+w.ends, alone+w.alone, marked+w.marked
	}
	t.Logf("%d faults: %v; %d lines, %d processes to their last line, %d ended without a daemon, %d lines marked as missing",
		count, done, lines, ends, alone, marked)
	if count >= 50 && (ends < int64(count/4) || alone > ends || marked == 0) {
		t.Error("this proved little")
	}
}

// rest ends what is still under way and wants all to be well.
func (f *faults) rest() {
	f.locks.Wait()
	f.limit(1 << 16)
	f.settle(f.told)
}

func (f *faults) told() string { return "what happened:\n  " + strings.Join(f.story, "\n  ") }

// moment lets something happen, for up to so many milliseconds.
func (f *faults) moment(most int) {
	<-time.After(time.Duration(f.choice.IntN(most*1000+1)) * time.Microsecond)
}

func (f *faults) note(format string, args ...any) {
	f.story[len(f.story)-1] += ", " + fmt.Sprintf(format, args...)
}

func (f *faults) worker() string {
	ids := []string{"steady", "second", "stubborn", "parent", "flood", "quitter", "broken"}
	return ids[f.choice.IntN(len(ids))]
}

func (f *faults) killDaemon() {
	f.down()
	if f.choice.IntN(4) > 0 {
		f.growth()
	}
	f.proc.kill(f.t, syscall.SIGKILL)
	for f.choice.IntN(3) == 0 {
		f.killWorker()
	}
	f.boot(0)
}

// growth returns in the moment in which lines have just reached a log: they are
// still in the FIFO, too. It watches without a pause, but not for long.
func (f *faults) growth() {
	name := filepath.Join(f.home, "logs", "flood.log")
	var before, now syscall.Stat_t
	if syscall.Stat(name, &before) != nil {
		return
	}
	for until := time.Now().Add(120 * time.Millisecond); time.Now().Before(until); {
		if syscall.Stat(name, &now) == nil && now.Size > before.Size {
			return
		}
	}
}

func (f *faults) bootShort() {
	f.down()
	f.proc.kill(f.t, syscall.SIGKILL)
	limit := uint64(12 + f.choice.IntN(60))
	f.note("%d", limit)
	f.boot(limit)
	f.moment(100)
	f.limit(1 << 16)
	// Workers are taken up again when there is room.
	f.book.downs[len(f.book.downs)-1].to = time.Now().Add(time.Second)
}

// restartDaemon has it replace itself.
func (f *faults) restartDaemon() {
	before := f.born()
	f.down()
	status, body := request(f.t, http.MethodPost, at(f.port, "/api/restart"), f.key, struct{}{}, nil)
	if status != http.StatusOK && status != http.StatusAccepted {
		f.t.Fatalf("restart: %d %s\n%s", status, body, f.told())
	}
	eventually(f.t, "the next daemon", func() bool {
		if !f.proc.running() {
			f.t.Fatalf("the daemon ended with exit code %d instead of coming back\n%s", f.proc.code, tail(f.proc.err.String()))
		}
		return f.born() != before && f.ready()
	})
	f.up()
}

func (f *faults) restartByCommand() {
	f.down()
	must(f.t, f.host.env, "pipedai-orchestrator", "restart", "--json")
	f.up()
}

// stopDaemon leaves nothing running, so nothing can be lost while it is away.
func (f *faults) stopDaemon() {
	f.locks.Wait()
	f.proc.stop(f.t)
	f.verbs.Wait()
	if left := f.processes(); len(left) > 0 {
		f.t.Fatalf("the daemon stopped and left %+v\n%s", left, f.told())
	}
	f.boot(0)
}

func (f *faults) freezeDaemon() {
	f.proc.kill(f.t, syscall.SIGSTOP)
	if f.choice.IntN(2) == 0 {
		f.killWorker()
	}
	f.moment(150)
	f.proc.kill(f.t, syscall.SIGCONT)
}

func (f *faults) exhaust() {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", f.proc.cmd.Process.Pid))
	if err != nil {
		f.t.Fatal(err)
	}
	f.limit(uint64(len(entries) + f.choice.IntN(5)))
	for range 1 + f.choice.IntN(3) {
		f.killWorker()
		f.moment(60)
	}
	f.limit(1 << 16)
}

func (f *faults) killWorker() {
	all := f.processes()
	if len(all) == 0 {
		return
	}
	one := all[f.choice.IntN(len(all))]
	f.note("%s %d", one.worker, one.pid)
	_ = syscall.Kill(one.pid, syscall.SIGKILL)
}

func (f *faults) freezeWorker() {
	all := f.processes()
	if len(all) == 0 {
		return
	}
	one := all[f.choice.IntN(len(all))]
	f.note("%s %d", one.worker, one.pid)
	_ = syscall.Kill(one.pid, syscall.SIGSTOP)
	if f.choice.IntN(2) == 0 {
		f.moment(40)
		_ = syscall.Kill(one.pid, syscall.SIGCONT)
	} // else it goes on when the host must come to rest
}

func (f *faults) anyVerb() {
	verbs := []string{"start", "start", "start", "stop", "restart", "restart", "stop?now=1", "restart?now=1"}
	id, verb := f.worker(), verbs[f.choice.IntN(len(verbs))]
	f.note("%s %s", id, verb)
	for range 1 + f.choice.IntN(2) { // often twice
		f.verb(id, verb)
	}
}

func (f *faults) fightingVerbs() {
	id := f.worker()
	f.note("%s", id)
	for range 2 + f.choice.IntN(3) {
		f.verb(id, []string{"start", "stop", "restart", "stop?now=1"}[f.choice.IntN(4)])
	}
	if f.choice.IntN(2) == 0 {
		f.verb(id, "start")
	}
}

// lockManifest holds it as a backup would.
func (f *faults) lockManifest() {
	hold := time.Duration(100+f.choice.IntN(700)) * time.Millisecond
	f.locks.Wait()
	db, err := sqlitefile.Open(context.Background(), filepath.Join(f.home, "orchestrator", "manifest.db"), sqlitefile.Options{})
	if err != nil {
		f.t.Fatalf("open the manifest: %v", err)
	}
	tx, err := db.Writer.Begin() // immediate
	if err != nil {
		f.t.Fatalf("lock the manifest: %v", err)
	}
	f.locks.Go(func() {
		<-time.After(hold)
		_ = tx.Rollback()
		_ = db.Close()
	})
}

// fillLogs makes writing the logs impossible for a while. A daemon that is
// killed meanwhile takes with it what it knows of the lines it dropped, so
// only workers are disturbed, and everything is at rest before.
func (f *faults) fillLogs() {
	f.rest()
	from := time.Now()
	logs := filepath.Join(f.home, "logs")
	undo := f.away(logs)
	if f.mounted {
		undo = f.fill(filepath.Join(logs, "filler"))
	}
	f.book.drops = append(f.book.drops, window{from: from})
	f.killWorker()
	eventually(f.t, "lines to be dropped", func() bool {
		var list api.FusedWorkers
		get(f.t, at(f.port, "/api/workers"), f.key, &list)
		n := int64(0)
		for _, w := range list.Items {
			n += w.Local.LogDropped
		}
		return n > 0
	})
	f.killWorker()
	f.moment(100)
	undo()
	f.book.drops[len(f.book.drops)-1].to = time.Now()
	f.settle(f.told) // and the markers are there
}

// fill takes all there is of a small disk.
func (f *faults) fill(name string) (undo func()) {
	file, err := os.Create(name)
	if err != nil {
		f.t.Fatal(err)
	}
	defer file.Close()
	for size := 1 << 20; size > 0; {
		if _, err := file.Write(make([]byte, size)); errors.Is(err, unix.ENOSPC) {
			size /= 4
		} else if err != nil {
			f.t.Fatal(err)
		}
	}
	return func() {
		if err := os.Remove(name); err != nil {
			f.t.Fatal(err)
		}
	}
}

// away puts a file where the folder was, in one step.
func (f *faults) away(folder string) (undo func()) {
	if f.mounted {
		return nil
	}
	other := folder + ".away"
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		f.t.Fatal(err)
	}
	swap := func() {
		if err := unix.Renameat2(unix.AT_FDCWD, folder, unix.AT_FDCWD, other, unix.RENAME_EXCHANGE); err != nil {
			f.t.Fatalf("exchange %s: %v", folder, err)
		}
	}
	swap()
	return func() {
		swap()
		_ = os.Remove(other)
	}
}
