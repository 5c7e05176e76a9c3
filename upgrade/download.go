package upgrade

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"pipedai/api"
)

const (
	// minProgress is what has to arrive within the stall limit: about 1 KiB/s.
	minProgress = 32 << 10
	// resumes is how often a download that broke goes on where it was.
	resumes = 3
)

var errStalled = errors.New("it came too slowly")

// stageRelease downloads a signed file and unpacks it.
func (u *Upgrader) stageRelease(ctx context.Context, f Found, temp string, progress Progress) (staged, error) {
	src, err := u.o.Dial(f.Wanted.APIURL)
	if err != nil {
		return staged{}, err
	}
	// The bytes are written, checked and unpacked through this one open file,
	// which has no name as soon as that is possible.
	file, err := os.OpenFile(filepath.Join(temp, "download"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return staged{}, fmt.Errorf("make the file for the download: %w", err)
	}
	defer func() { _ = file.Close() }()
	if err := anonymous(file); err != nil {
		return staged{}, fmt.Errorf("make the file for the download: %w", err)
	}
	if err := u.download(ctx, src, f, file, progress); err != nil {
		return staged{}, err
	}
	u.o.reached("downloaded")
	folder := filepath.Join(temp, "tree")
	t, program, err := unpack(ctx, file, f.Artifact, folder, exeName(f.Program, u.o.goos))
	if err != nil {
		return staged{}, err
	}
	return staged{folder: folder, program: program.path, sha256: program.sha256, tree: t,
		version: f.Version, reports: f.Version, source: f.Wanted.APIURL}, nil
}

// receipt is what has arrived so far.
type receipt struct {
	to       *os.File
	sum      hash.Hash
	done     int64
	arrived  atomic.Int64 // all bytes ever, for the watch
	progress Progress
	total    int64
}

func (r *receipt) Write(p []byte) (int, error) {
	n, err := r.to.Write(p)
	r.sum.Write(p[:n])
	r.done += int64(n)
	r.arrived.Add(int64(n))
	r.progress(min(r.done, r.total), r.total)
	return n, err
}

func (r *receipt) rewind() error {
	r.sum.Reset()
	r.done = 0
	if _, err := r.to.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return r.to.Truncate(0)
}

// download brings a signed file, and refuses any that is not the one. Where the
// server can, a broken connection is taken up where it broke.
func (u *Upgrader) download(ctx context.Context, src Source, f Found, to *os.File, progress Progress) error {
	r := &receipt{to: to, sum: sha256.New(), progress: progress, total: f.Artifact.Size}
	progress(0, r.total)
	name := f.Artifact.Name
	for try := 0; ; try++ {
		before := r.done
		err := u.receive(ctx, src, f, r)
		switch {
		case err == nil && r.done == r.total:
			if sum := hex.EncodeToString(r.sum.Sum(nil)); sum != f.Artifact.SHA256 {
				return broken("%s is not the file that was signed: its SHA-256 is %s, not %s", name, sum, f.Artifact.SHA256)
			}
			return nil
		case err == nil && r.done > r.total:
			return broken("%s is longer than the %d bytes that were signed", name, r.total)
		case err == nil:
			err = broken("%s ended after %d of %d bytes", name, r.done, r.total)
		case ctx.Err() != nil:
			return fmt.Errorf("download %s: %w", name, context.Cause(ctx))
		case errors.Is(err, errStalled):
			return &api.Error{Status: 502, Code: api.CodeTimeout, Message: fmt.Sprintf("%s came too slowly: less than %d bytes in %v", name, minProgress, u.o.stall), Fix: "try again when the connection is better"}
		}
		var disk *os.PathError
		// Going on makes sense only after a connection that brought something.
		if try == resumes || r.done <= before || errors.As(err, &disk) {
			return fmt.Errorf("download %s: %w", name, err)
		}
	}
}

// receive reads one answer to its end, or to one byte more than there may be.
func (u *Upgrader) receive(ctx context.Context, src Source, f Found, r *receipt) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	stop := u.watch(end, r)
	defer stop()
	body, from, err := src.Artifact(ctx, f.Manifest, f.Artifact.Name, r.done)
	if err != nil {
		return stalledOr(ctx, err)
	}
	defer func() { _ = body.Close() }()
	// A source that does not look at its context is cut off all the same.
	defer context.AfterFunc(ctx, func() { _ = body.Close() })()
	switch from {
	case r.done:
	case 0:
		if err := r.rewind(); err != nil {
			return err
		}
	default:
		return broken("%s was to go on at %d and does at %d", f.Artifact.Name, r.done, from)
	}
	_, err = io.Copy(r, io.LimitReader(body, r.total-r.done+1))
	var disk *os.PathError
	if err == nil || errors.As(err, &disk) {
		return err
	}
	return stalledOr(ctx, &api.Error{Code: api.CodeUpstream, Message: "the connection broke: " + err.Error()})
}

func stalledOr(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errStalled) {
		return errStalled
	}
	return err
}

// watch ends a download that does not get on: a server that sends a byte now
// and then would otherwise keep it going for ever.
func (u *Upgrader) watch(end context.CancelCauseFunc, r *receipt) (stop func()) {
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(u.o.stall)
		defer tick.Stop()
		for last := r.arrived.Load(); ; {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			now := r.arrived.Load()
			if now-last < minProgress {
				end(errStalled)
				return
			}
			last = now
		}
	}()
	return func() { close(done); <-ended }
}
