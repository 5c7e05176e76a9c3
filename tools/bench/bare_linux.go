package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// bareLoop is what a host can do at most: a loop that only forks and waits.
// It starts n tiny workers in sessions of their own, and stops them.
func (g *ground) bareLoop(ctx context.Context, n int) (start, stop float64, err error) {
	b, err := g.newBare(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer b.close()
	began := monotonic()
	all := make([]*os.Process, 0, n)
	for range n {
		p, err := b.spawn()
		if err != nil {
			return 0, 0, err
		}
		all = append(all, p)
	}
	up, err := b.hails.wait(ctx, n, hailWithin)
	if err != nil {
		return 0, 0, err
	}
	stopping := monotonic()
	for _, p := range all {
		if err := p.Signal(syscall.SIGTERM); err != nil {
			return 0, 0, err
		}
	}
	for _, p := range all {
		if _, err := p.Wait(); err != nil {
			return 0, 0, err
		}
	}
	return seconds(began, last(up)), seconds(stopping, monotonic()), nil
}

// bareRespawns kills a tiny worker and starts another one as soon as it is
// seen to have ended, and returns how long each took to run.
func (g *ground) bareRespawns(ctx context.Context, times int) ([]time.Duration, error) {
	b, err := g.newBare(ctx)
	if err != nil {
		return nil, err
	}
	defer b.close()
	p, err := b.spawn()
	if err != nil {
		return nil, err
	}
	if _, err := b.hails.wait(ctx, 1, hailWithin); err != nil {
		return nil, err
	}
	var took []time.Duration
	for range times {
		began := monotonic()
		if err := p.Kill(); err != nil {
			return nil, err
		}
		if _, err := p.Wait(); err != nil {
			return nil, err
		}
		if p, err = b.spawn(); err != nil {
			return nil, err
		}
		up, err := b.hails.wait(ctx, 1, hailWithin)
		if err != nil {
			return nil, err
		}
		took = append(took, time.Duration(up[0].at-began))
	}
	return took, p.Kill()
}

type bare struct {
	tiny  string
	hails *hails
	null  *os.File
}

func (g *ground) newBare(ctx context.Context) (*bare, error) {
	tiny, err := g.tinyWorker(ctx)
	if err != nil {
		return nil, err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	g.made++
	h, err := listenHails(filepath.Join(g.dir, fmt.Sprint("hails", g.made)))
	if err != nil {
		return nil, err
	}
	return &bare{tiny, h, null}, nil
}

func (b *bare) spawn(env ...string) (*os.Process, error) {
	return b.spawnTo(b.null, env...)
}

func (b *bare) spawnTo(out *os.File, env ...string) (*os.Process, error) {
	return os.StartProcess(b.tiny, []string{b.tiny}, &os.ProcAttr{
		Env: append(append(os.Environ(), b.hails.env()), env...), Files: []*os.File{b.null, out, b.null},
		Sys: &syscall.SysProcAttr{Setsid: true},
	})
}

func (b *bare) close() {
	b.hails.close()
	_ = b.null.Close()
}
