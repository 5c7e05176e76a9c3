package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"pipedai/internal/workerlog"
)

// The log of a worker in a real browser, against the real daemon: a million
// hostile lines, connections that are cut, a daemon that is killed or another
// one, a page that sleeps, a token that is replaced.
func TestPageLogs(t *testing.T) {
	t.Parallel()
	pagesBuilt(t)
	h := newFaultHost(t, map[string]string{"million": "idle", "numbers": "steady"}, func(logs string) { writeMillion(t, logs) })
	h.boot(0)
	h.runs("numbers") // a restart before the first start is that start, with what was set before
	h.configure()
	p := startPlane(t, "")
	daemonBuild(t, newVersion, "") // others need it, too

	s := newStage(t, "pagelogs.mjs", map[string]any{
		"port": h.port, "token": h.key, "console": p.port, "consoleToken": p.token(t),
	})
	s.can("kill the daemon", func() {
		h.proc.kill(t, syscall.SIGKILL)
		h.boot(0)
	})
	s.can("replace the daemon", func() {
		h.proc.kill(t, syscall.SIGKILL) // so that the worker goes on meanwhile
		cmd := h.daemon()
		cmd.Path = daemonBuild(t, newVersion, "")
		h.proc = startCmd(t, cmd, "the daemon of another build")
		eventually(t, "the other daemon to answer", h.ready)
	})
	s.can("replace the token", func() {
		must(t, h.host.env, "pipedai-orchestrator", "token", "rotate")
		h.key = h.token(t)
		eventually(t, "the daemon to take the new token", h.ready)
	})
	s.can("kill the control plane", func() {
		p.proc.kill(t, syscall.SIGKILL)
		p.start(t)
	})
	s.run()

	h.verb("numbers", "stop?now=true")
	h.verbs.Wait()
	h.finish()
}

// runs waits for the process of a worker.
func (h *faultHost) runs(worker string) {
	h.t.Helper()
	eventually(h.t, worker+" to run", func() bool {
		for _, w := range h.workers() {
			if w.ID == worker && w.Local != nil && w.Local.State == "running" {
				return true
			}
		}
		return false
	})
}

const (
	million = 1_000_000
	needle  = million - 900_000
)

// writeMillion writes a log as the daemon does, oldest first in four files, with
// everything in it that a page could trip over.
func writeMillion(t testing.TB, logs string) {
	t.Helper()
	at := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	long := strings.Repeat("0123456789", 10_000)
	var line []byte
	n := 0
	for i := 3; i >= 0; i-- {
		path := filepath.Join(logs, "million.log")
		if i > 0 {
			path = workerlog.Backup(path, i)
		}
		f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		out := bufio.NewWriterSize(f, 1<<20)
		for end := n + million/4; n < end; {
			n++
			stream, text := "out", fmt.Sprintf("%d claimed run run_%06x of pipeline pdf-processor", n, n*7919%0xffffff)
			if n == needle {
				text = fmt.Sprintf("%d the Needle in the haystack", n)
			}
			switch n % 20_000 {
			case 19_999:
				text = fmt.Sprintf("%d long %s end of the long line", n, long)
			case 19_998:
				text = fmt.Sprintf("%d bomb %s", n, strings.Repeat("\x1b[1;2;3;4;5;31m\x1b[2J\x1b[999D", 200))
			}
			switch n % 100 {
			case 91:
				text += ` <img src=x onerror="window.injected=1"><script>window.injected=1</script> javascript:alert(1)`
			case 92:
				text += " user\u202etxt.exe \u2066isolated"
			case 93:
				text += " nul\x00byte \x1b]0;title\a\x1b]8;;https://evil.test\x1b\\link\x1b]8;;\x1b\\"
			case 94:
				text = fmt.Sprintf("%d   0 %%\r%d  50 %%\r%d 100 %%", n, n, n)
			case 95:
				text += " \x1b[38;2;255;0;0mtrue\x1b[38;5;46mcolour\x1b[0m 👩‍👩‍👧‍👦 🏳️‍🌈 e\u0301"
			case 96:
				stream, text = "err", text+" https://example.test/run?id=1 failed"
			}
			line = workerlog.Append(line[:0], at.Add(time.Duration(n)*time.Millisecond), stream, text)
			if _, err := out.Write(line); err != nil {
				t.Fatal(err)
			}
		}
		if err := out.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// stage runs a script that drives a browser, and does what it asks for in
// between: it writes "do <something>" and goes on once it reads that it is done.
type stage struct {
	t      testing.TB
	script string
	facts  map[string]any
	does   map[string]func()
}

func newStage(t testing.TB, script string, facts map[string]any) *stage {
	return &stage{t, script, facts, map[string]func(){}}
}

func (s *stage) can(what string, do func()) { s.does[what] = do }

func (s *stage) run() {
	s.t.Helper()
	facts, err := json.Marshal(s.facts)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", s.script, string(facts))
	cmd.WaitDelay = 5 * time.Second
	var complaints buffer
	cmd.Stderr = &complaints
	orders, err := cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	answers, err := cmd.StdinPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	for in := bufio.NewScanner(orders); in.Scan(); {
		what, order := strings.CutPrefix(in.Text(), "do ")
		if !order {
			s.t.Log(in.Text())
			continue
		}
		do := s.does[what]
		if do == nil {
			s.t.Errorf("the script asks for %q, which nobody can do", what)
			break
		}
		do()
		if _, err := io.WriteString(answers, "done\n"); err != nil {
			break // it ended; why is said below
		}
	}
	if err := cmd.Wait(); err != nil {
		s.t.Fatalf("%s: %v\n%s", s.script, err, complaints.String())
	}
}
