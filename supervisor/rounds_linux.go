package supervisor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rounds lends the places in which bytes are while they go from a FIFO to a
// log file. There are a few for all streams together: a stream needs one only
// while it has something, so that hundreds of silent workers cost nothing.
//
// A place is a mapped file. Its pages belong to the kernel, so they are as they
// were when the daemon is killed, and the next one finds in them what was under
// way for which FIFO.
type rounds struct {
	dir string
	log *slog.Logger
	at  func(step string) // see Options.onStep; never nil

	turn chan struct{} // as many as may be in use at a time

	mu    sync.Mutex
	found bool              // an earlier daemon's were looked for
	seen  map[string]bool   // those of them that were looked at, until all were
	free  []*round          // idle, mapped
	left  map[string]*round // by FIFO: what was under way when a daemon was killed
	next  int               // number of the next file
}

func newRounds(dir string, log *slog.Logger, at func(string)) *rounds {
	return &rounds{
		dir: dir, log: log, at: at, left: map[string]*round{}, seen: map[string]bool{},
		turn: make(chan struct{}, runtime.GOMAXPROCS(0)+1),
	}
}

const roundPrefix = ".round-" // no id begins with a dot

// take lends a place to the stream of that FIFO.
func (rs *rounds) take(fifo string) (*round, error) {
	rs.turn <- struct{}{}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if err := rs.find(); err != nil {
		<-rs.turn
		return nil, err
	}
	var r *round
	if n := len(rs.free); n > 0 {
		r, rs.free = rs.free[n-1], rs.free[:n-1]
	} else {
		var err error
		if r, err = rs.create(); err != nil {
			<-rs.turn
			return nil, err
		}
	}
	if err := r.openScratch(); err != nil {
		rs.free = append(rs.free, r)
		<-rs.turn
		return nil, err
	}
	r.fifo = fifo
	return r, nil
}

// give takes a place back; its round is over.
func (rs *rounds) give(r *round) {
	rs.mu.Lock()
	rs.free = append(rs.free, r)
	rs.mu.Unlock()
	<-rs.turn
}

// recover finishes the round of that FIFO that was under way when a daemon was
// killed, if there is one. available is how many bytes the FIFO holds.
func (rs *rounds) recover(fifo string, log *logFile, available int, read func([]byte) (int, error)) error {
	rs.mu.Lock()
	err := rs.find()
	r := rs.left[fifo]
	rs.mu.Unlock()
	if r == nil || err != nil {
		return err
	}
	if err := r.recover(log, available, read); err != nil {
		return err
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	delete(rs.left, fifo)
	rs.free = append(rs.free, r)
	return nil
}

// forget drops what was under way for a FIFO that is gone.
func (rs *rounds) forget(fifo string) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.find() != nil {
		return // it is only in the way
	}
	if r := rs.left[fifo]; r != nil {
		atomic.StoreUint64(r.state, roundIdle)
		delete(rs.left, fifo)
		rs.free = append(rs.free, r)
	}
}

// close unmaps the places that are not in use; the last stream is over.
func (rs *rounds) close() {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for _, r := range rs.left {
		rs.free = append(rs.free, r)
	}
	for _, r := range rs.free {
		r.close()
	}
	rs.free, rs.left, rs.found, rs.seen, rs.next = nil, map[string]*round{}, false, map[string]bool{}, 0
}

// find maps what earlier daemons left, once. It fails when there are no
// descriptors to do it with: what is not known yet may be under way.
func (rs *rounds) find() error {
	if rs.found {
		return nil
	}
	entries, err := os.ReadDir(rs.dir) // not Glob, which takes a folder that cannot be read for an empty one
	if isShort(err) {
		return fmt.Errorf("look for output that was under way: %w", err)
	}
	for _, e := range entries {
		number := 0
		if _, err := fmt.Sscanf(e.Name(), roundPrefix+"%d", &number); err != nil || rs.seen[e.Name()] {
			continue
		}
		name := filepath.Join(rs.dir, e.Name())
		mem, err := mapRound(name)
		if isShort(err) {
			return fmt.Errorf("look for output that was under way: %w", err)
		}
		rs.next = max(rs.next, number+1)
		rs.seen[e.Name()] = true
		if err != nil {
			rs.log.Warn("worker output that was under way cannot be looked at", "file", name, "error", err)
			continue
		}
		r := newRound(mem, rs.at)
		r.mapped = true
		if atomic.LoadUint64(r.state) == roundIdle {
			rs.free = append(rs.free, r)
		} else {
			rs.left[r.recordedFIFO()] = r
		}
	}
	rs.found, rs.seen = true, nil
	return nil
}

// isShort tells that a file could not be opened or mapped because of how many
// there are. Unlike a full disk that is no reason to do without.
func isShort(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOMEM)
}

// create makes a further place. When that is impossible (disk full) it is in
// memory: the stream is still followed, only a SIGKILL may then double or lose
// its last lines. It fails when this host is short of descriptors.
func (rs *rounds) create() (*round, error) {
	mem, err := mapRound(filepath.Join(rs.dir, fmt.Sprint(roundPrefix, rs.next)))
	if isShort(err) {
		return nil, fmt.Errorf("make a progress record: %w", err)
	}
	if err != nil {
		rs.log.Warn("worker output is followed without a progress record", "error", err)
		// Of words, so that the state in it is aligned.
		words := make([]uint64, roundSize/8)
		mem = unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), roundSize)
	} else {
		rs.next++
	}
	r := newRound(mem, rs.at)
	r.mapped = err == nil
	return r, nil
}

// round is one such place. It goes: the copy of what a FIFO holds is put into
// data - begin (state appending: these bytes go to the log file at this offset)
// - append - commit (state consuming) - consume - idle. Found again after a
// kill,
//
//   - appending: nothing was consumed yet. The log file is cut back to the
//     offset and the bytes are read again;
//   - consuming: they are in the log file. How many of them were consumed shows
//     in the landing area: it is filled with the complement of the bytes before,
//     and the FIFO is read straight into it, so that every byte that left the
//     FIFO stands there as itself. The rest is consumed now.
//
// The file is written in full before it is mapped, so that a full disk is an
// error then and not a fault at the first store.
type round struct {
	mem     []byte
	state   *uint64
	mapped  bool
	data    []byte // the bytes of this round
	landing []byte // where they are read to when they are consumed
	scratch [2]int // a pipe of our own: where tee puts the copy
	fifo    string // whose round it is
	at      func(step string)
}

const (
	roundIdle uint64 = iota
	roundAppending
	roundConsuming
)

const (
	roundHeader = 4096
	roundSize   = roundHeader + 2*chunk
	roundOffset = 8  // where in the log file, -1 nowhere
	roundFile   = 16 // which log file
	roundLength = 24 // of this round
	roundName   = 32 // length of the name of the FIFO, which follows
)

func newRound(mem []byte, at func(string)) *round {
	return &round{
		mem: mem, state: (*uint64)(unsafe.Pointer(&mem[0])), scratch: [2]int{-1, -1}, at: at,
		data: mem[roundHeader : roundHeader+chunk], landing: mem[roundHeader+chunk:],
	}
}

func mapRound(name string) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() != roundSize { // new, or its creation was cut short
		if _, err := f.WriteAt(make([]byte, roundSize), 0); err != nil {
			return nil, err
		}
		if err := f.Truncate(roundSize); err != nil {
			return nil, err
		}
	}
	mem, err := unix.Mmap(int(f.Fd()), 0, roundSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", name, err)
	}
	return mem, nil
}

// openScratch makes the pipe for copies, empty.
func (r *round) openScratch() error {
	if r.scratch[0] >= 0 {
		return nil
	}
	if err := unix.Pipe2(r.scratch[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		r.scratch = [2]int{-1, -1}
		return fmt.Errorf("make scratch pipe: %w", err)
	}
	// As many slots as a FIFO has, so that a copy shows all of it. When the
	// user's pipes are at their limit the default must do.
	_ = growPipe(r.scratch[0])
	return nil
}

// closeScratch drops the pipe with what is in it.
func (r *round) closeScratch() {
	for i, fd := range r.scratch {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
		r.scratch[i] = -1
	}
}

// read takes n bytes of the copy into data.
func (r *round) read(n int) error {
	for got := 0; got < n; {
		m, err := unix.Read(r.scratch[0], r.data[got:n])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			r.closeScratch() // no byte may stay in it
			return fmt.Errorf("read copy: %w", err)
		}
		got += m
	}
	return nil
}

// begin notes that the first n bytes of data go to that file at that offset.
func (r *round) begin(n int, offset int64, file uint64) {
	complement(r.landing[:n], r.data[:n])
	binary.NativeEndian.PutUint64(r.mem[roundOffset:], uint64(offset))
	binary.NativeEndian.PutUint64(r.mem[roundFile:], file)
	binary.NativeEndian.PutUint64(r.mem[roundLength:], uint64(n))
	name := r.mem[roundName+8 : roundHeader]
	binary.NativeEndian.PutUint64(r.mem[roundName:], uint64(copy(name, r.fifo)))
	atomic.StoreUint64(r.state, roundAppending)
}

// complement sets dst to src with every bit turned, eight bytes at a time.
func complement(dst, src []byte) {
	n := len(src) &^ 7
	for i := 0; i < n; i += 8 {
		binary.NativeEndian.PutUint64(dst[i:], ^binary.NativeEndian.Uint64(src[i:]))
	}
	for i := n; i < len(src); i++ {
		dst[i] = ^src[i]
	}
}

func (r *round) recordedFIFO() string {
	n := binary.NativeEndian.Uint64(r.mem[roundName:])
	return string(r.mem[roundName+8 : roundName+8+min(n, roundHeader-roundName-8)])
}

// commit does nothing when begin was not reached: the lines were dropped.
func (r *round) commit() {
	if atomic.LoadUint64(r.state) == roundAppending {
		atomic.StoreUint64(r.state, roundConsuming)
	}
}

func (r *round) pending() bool { return atomic.LoadUint64(r.state) != roundIdle }

// consume takes the bytes of this round out of the FIFO, those that are still
// in it.
func (r *round) consume(read func([]byte) (int, error)) error {
	length := int(min(binary.NativeEndian.Uint64(r.mem[roundLength:]), chunk))
	done := 0
	for done < length && r.landing[done] == r.data[done] {
		done++
	}
	for done < length {
		n, err := read(r.landing[done:length])
		if errors.Is(err, unix.EAGAIN) || err == nil && n == 0 {
			break // the FIFO is another one: its holder ended and it was emptied
		}
		if err != nil {
			return fmt.Errorf("consume: %w", err)
		}
		done += n
	}
	r.at("consumed")
	atomic.StoreUint64(r.state, roundIdle)
	return nil
}

func (r *round) recover(log *logFile, available int, read func([]byte) (int, error)) error {
	switch atomic.LoadUint64(r.state) {
	case roundAppending:
		offset := int64(binary.NativeEndian.Uint64(r.mem[roundOffset:]))
		if offset >= 0 {
			// When the FIFO was freed with its last holder, the bytes cannot be
			// read again: what reached the log file, but for half a line, stays.
			again := uint64(available) >= binary.NativeEndian.Uint64(r.mem[roundLength:])
			if err := log.rewind(offset, binary.NativeEndian.Uint64(r.mem[roundFile:]), again); err != nil {
				return fmt.Errorf("take back half an append: %w", err)
			}
		}
		atomic.StoreUint64(r.state, roundIdle)
	case roundConsuming:
		return r.consume(read)
	}
	return nil
}

func (r *round) close() {
	r.closeScratch()
	if r.mapped {
		_ = unix.Munmap(r.mem)
		r.mapped = false
	}
}
