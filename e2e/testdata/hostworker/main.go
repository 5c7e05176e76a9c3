//go:build unix

// Command hostworker is the worker process of the tests of a host: it writes
// numbered lines, and keeps beside its output how many it has written, in a
// mapped file that outlives a SIGKILL. What it does besides stands in its
// environment, as "workers set --env" put it there:
//
//	E2E_TRUTH   folder for the mapped file
//	E2E_WORKER  its name
//	E2E_KIND    steady, quick, stubborn, parent, flood, quitter, broken, brief; else it is silent
//
// A line is "#<name>.<pid>.<start> <number>": the middle is unlike that of any
// other process, so that a missing line shows, and one that is there twice.
package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// truth is what was written, as the kernel keeps it.
type truth struct {
	lines *int64 // whole lines that a write returned for
	at    *int64 // when, in ns
}

type counter struct {
	name  string
	truth truth
	out   *os.File
	n     int64
}

func newCounter(out *os.File) (*counter, error) {
	name := fmt.Sprintf("%s.%d.%d", os.Getenv("E2E_WORKER"), os.Getpid(), time.Now().UnixNano())
	f, err := os.OpenFile(filepath.Join(os.Getenv("E2E_TRUTH"), name), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := f.Truncate(16); err != nil {
		return nil, err
	}
	mem, err := syscall.Mmap(int(f.Fd()), 0, 16, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	at := func(i int) *int64 { return (*int64)(unsafe.Pointer(&mem[i])) }
	c := &counter{name: name, truth: truth{at(0), at(8)}, out: out}
	atomic.StoreInt64(c.truth.at, time.Now().UnixNano())
	return c, nil
}

// line writes one. A pipe takes it as a whole or not at all.
func (c *counter) line() {
	c.n++
	if _, err := fmt.Fprintf(c.out, "#%s %d\n", c.name, c.n); err != nil {
		os.Exit(9)
	}
	atomic.StoreInt64(c.truth.at, time.Now().UnixNano())
	atomic.StoreInt64(c.truth.lines, c.n)
}

func main() { os.Exit(run()) }

func run() int {
	kind := os.Getenv("E2E_KIND")
	out, pace, burst := os.Stdout, 20*time.Millisecond, 1
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	var end <-chan time.Time
	switch kind {
	case "", "idle": // not told yet, or never to run
		<-stop
		return 0
	case "quick":
		pace = time.Millisecond
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
	case "flood":
		pace, burst = 600*time.Millisecond, 600
	case "quitter":
		out = os.Stderr
		end = time.After(time.Duration(200+rand.IntN(1500)) * time.Millisecond)
	case "child":
		pace = 50 * time.Millisecond
	}
	c, err := newCounter(out)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 8
	}
	if kind == "parent" {
		go keepChild()
	}
	c.line()
	if kind == "broken" || kind == "brief" {
		return 1
	}
	tick := time.NewTicker(pace)
	for {
		select {
		case <-stop:
			c.line()
			return 0
		case <-end:
			c.line()
			return 3
		case <-tick.C:
			for range burst {
				c.line()
			}
		}
	}
}

// keepChild has a child that is in a group of its own and that nobody asks to
// end, and another one when it ends.
func keepChild() {
	for {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), "E2E_KIND=child", "E2E_WORKER="+os.Getenv("E2E_WORKER")+"+child")
		child.Stdout, child.Stderr = os.Stdout, os.Stderr
		child.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := child.Run(); err != nil && child.Process == nil {
			os.Exit(7)
		}
	}
}
