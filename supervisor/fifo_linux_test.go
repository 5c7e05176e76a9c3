package supervisor

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pipedai/internal/redact"
	"pipedai/internal/workerlog"
)

// pipe is a FIFO with a log file, as one stream of a worker has them.
type pipe struct {
	t    *testing.T
	name string
	w    *os.File
	log  *logFile
	to   sink
}

func newPipe(t *testing.T) *pipe {
	t.Helper()
	dir := t.TempDir()
	name := filepath.Join(dir, "w1~1.out")
	w, err := makeFIFO(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	p := &pipe{t: t, name: name, w: w, log: newLogFile(filepath.Join(dir, "w1.log"), 1<<30, 3, quiet)}
	p.newDaemon()
	return p
}

// newDaemon forgets what is in memory only.
func (p *pipe) newDaemon() {
	if p.to.rounds != nil {
		p.to.rounds.close()
	}
	p.to = sink{log: p.log, rounds: newRounds(filepath.Dir(p.name), quiet, func(string) {}),
		secrets: func() *redact.Set { return nil }, onLines: func([]byte, int64) {}}
	p.t.Cleanup(p.to.rounds.close)
}

// open takes the stream up as a new daemon does.
func (p *pipe) open() *teeSource {
	p.t.Helper()
	fd, err := openFIFO(p.name)
	if err != nil {
		p.t.Fatal(err)
	}
	s, err := newSource(fd, p.name, p.to)
	if err != nil {
		p.t.Fatal(err)
	}
	return s.(*teeSource)
}

func (p *pipe) write(text string) {
	p.t.Helper()
	if _, err := p.w.WriteString(text); err != nil {
		p.t.Fatal(err)
	}
}

// follow reads everything that is there into the log.
func (p *pipe) follow(s source) {
	p.t.Helper()
	c := startCapture(p.to, quiet, nil, s, nil)
	c.finish(50 * time.Millisecond)
}

// A daemon that is killed between any two steps of a round, or within one,
// leaves a stream that the next one goes on with exactly.
func TestTeeSource_KilledAtEveryStep(t *testing.T) {
	t.Parallel()
	const text = "one\ntwo\nthree\nrest"
	const whole = len("one\ntwo\nthree\n")
	lines := []Line{{TS: time.Now(), Stream: "out", Text: "one"}, {TS: time.Now(), Stream: "out", Text: "two"}, {TS: time.Now(), Stream: "out", Text: "three"}}
	steps := map[string]func(t *testing.T, p *pipe, s *teeSource){
		"before anything":   func(*testing.T, *pipe, *teeSource) {},
		"before the append": func(_ *testing.T, p *pipe, s *teeSource) { s.begin(whole, p.size(), p.number()) },
		"half of the append": func(_ *testing.T, p *pipe, s *teeSource) {
			s.begin(whole, p.size(), p.number())
			p.append("2030-02-03T04:05:06.007Z out o")
		},
		"after the append, before the commit": func(_ *testing.T, p *pipe, s *teeSource) {
			s.begin(whole, p.size(), p.number())
			for _, l := range lines {
				p.append(string(formatted(l)))
			}
		},
		"after the commit": func(_ *testing.T, p *pipe, s *teeSource) {
			p.log.commit(formatted(lines...), 3, func(o int64, f uint64) { s.begin(whole, o, f) }, s.commit)
		},
		"half consumed": func(t *testing.T, p *pipe, s *teeSource) {
			p.log.commit(formatted(lines...), 3, func(o int64, f uint64) { s.begin(whole, o, f) }, s.commit)
			if n, err := s.read(s.r.landing[:5]); n != 5 || err != nil {
				t.Fatal(n, err)
			}
		},
		"all consumed, not yet noted": func(t *testing.T, p *pipe, s *teeSource) {
			p.log.commit(formatted(lines...), 3, func(o int64, f uint64) { s.begin(whole, o, f) }, s.commit)
			if n, err := s.read(s.r.landing[:whole]); n != whole || err != nil {
				t.Fatal(n, err)
			}
		},
		"after the round": func(t *testing.T, p *pipe, s *teeSource) {
			p.log.commit(formatted(lines...), 3, func(o int64, f uint64) { s.begin(whole, o, f) }, s.commit)
			if err := s.consume(whole); err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, step := range steps {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPipe(t)
			p.log.commit(formatted(Line{TS: time.Now(), Stream: "err", Text: "earlier"}), 1, nothing, func() {})
			p.write(text)
			s := p.open()
			if data, err := s.peek(); string(data) != text || err != nil {
				t.Fatalf("peek: %q, %v", data, err)
			}
			step(t, p, s)
			// Killed: the kernel closes the descriptors, nothing else happens.
			s.close()
			p.log.close()
			p.newDaemon()
			p.write(" of it\nfour\n")
			p.follow(p.open())
			got := strings.Join(texts(t, p.log.path, 100), "|")
			if want := "earlier|one|two|three|rest of it|four"; got != want {
				t.Errorf("log has %q, want %q", got, want)
			}
		})
	}
}

// When the worker ends as well before the next daemon comes, the FIFO is gone
// with what was in it; what reached the log file is not taken back.
func TestTeeSource_KilledAndFIFOFreed(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	p.append("2030-02-03T04:05:06.007Z out earlier\n")
	p.write("one\ntwo\n")
	s := p.open()
	if _, err := s.peek(); err != nil {
		t.Fatal(err)
	}
	s.begin(8, p.size(), p.number())
	p.append("2030-02-03T04:05:06.007Z out one\n2030-02-03T04:05:06.007Z out t")
	s.close()
	p.newDaemon()
	p.w.Close() // the last holder
	p.follow(p.open())
	if got := strings.Join(texts(t, p.log.path, 100), "|"); got != "earlier|one" {
		t.Errorf("log has %q", got)
	}
	if p.size() != 37+33 { // the two whole lines
		t.Errorf("half a line stays in %d bytes", p.size())
	}
}

func (p *pipe) append(text string) {
	p.t.Helper()
	f, err := openLog(p.log.path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pipe) size() int64 {
	info, err := os.Stat(p.log.path)
	if err != nil {
		p.t.Fatal(err)
	}
	return info.Size()
}

func (p *pipe) number() uint64 {
	f, err := os.Open(p.log.path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer f.Close()
	return workerlog.Number(f)
}

// Both ways to read a stream deliver every line once, however it is written.
func TestSource_Delivers(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"tee", "read"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			p := newPipe(t)
			var s source = p.open()
			if kind == "read" {
				s.close()
				fd, err := openFIFO(p.name)
				if err != nil {
					t.Fatal(err)
				}
				if s, err = newReadSource(fd); err != nil {
					t.Fatal(err)
				}
			}
			const n = 20_000
			var mu sync.Mutex
			var got []string
			p.to.onLines = func(data []byte, pos int64) {
				mu.Lock()
				defer mu.Unlock()
				for _, l := range workerlog.Split(data, pos) {
					got = append(got, l.Text)
				}
			}
			c := startCapture(p.to, quiet, nil, s, nil)
			var text strings.Builder
			for i := range n {
				fmt.Fprintf(&text, "%d %s\n", i, strings.Repeat("y", i%50))
			}
			random := rand.New(rand.NewPCG(1, 2))
			for rest := text.String(); rest != ""; {
				k := min(len(rest), 1+random.IntN(3000))
				p.write(rest[:k])
				rest = rest[k:]
			}
			p.w.Close() // the end ends it; no drain is waited for
			begun := time.Now()
			c.finish(time.Minute)
			if took := time.Since(begun); took > 20*time.Second {
				t.Errorf("the end of the stream was seen after %s", took)
			}
			if len(got) != n {
				t.Fatalf("%d lines, want %d", len(got), n)
			}
			for i, l := range got {
				if !strings.HasPrefix(l, fmt.Sprint(i, " ")) {
					t.Fatalf("line %d is %q", i, l)
				}
			}
		})
	}
}

// A stream whose copy cannot show a whole line (every byte in a slot of its
// own, as splice makes them) is taken in pieces rather than not at all.
func TestTeeSource_TinySlots(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	s := p.open()
	file, err := os.CreateTemp(t.TempDir(), "bytes")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	text := strings.Repeat("z", 40) + "\n"
	var tiny []*round
	if _, err := file.WriteString(text); err != nil {
		t.Fatal(err)
	}
	for range cap(p.to.rounds.turn) { // one slot in each of the pipes for copies
		if _, err := s.peek(); err != nil {
			t.Fatal(err)
		}
		if _, err := unix.FcntlInt(uintptr(s.r.scratch[0]), unix.F_SETPIPE_SZ, 4096); err != nil {
			t.Fatal(err)
		}
		p.to.rounds.mu.Lock()
		tiny = append(tiny, s.r)
		p.to.rounds.mu.Unlock()
	}
	for _, r := range tiny {
		s.r = r
		s.release()
	}
	c := startCapture(p.to, quiet, nil, s, nil)
	offset := int64(0)
	for range len(text) {
		if _, err := unix.Splice(int(file.Fd()), &offset, int(p.w.Fd()), nil, 1, 0); err != nil {
			t.Fatal(err)
		}
	}
	p.w.Close()
	c.finish(10 * time.Second)
	if got := strings.Join(texts(t, p.log.path, 100), ""); got != strings.TrimSuffix(text, "\n") {
		t.Errorf("came out as %q", got)
	}
}

// Two streams share one log file; one that was killed in an append must not
// be cut back through the lines of the other.
func TestTeeSource_RewindKeepsForeignFile(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	p.append("2030-02-03T04:05:06.007Z out kept\n")
	p.write("new\n")
	s := p.open()
	if _, err := s.peek(); err != nil {
		t.Fatal(err)
	}
	s.begin(4, 0, p.number()+1) // of a file that was moved away since
	s.close()
	p.newDaemon()
	p.follow(p.open())
	if got := strings.Join(texts(t, p.log.path, 100), "|"); got != "kept|new" {
		t.Errorf("log has %q", got)
	}
}
