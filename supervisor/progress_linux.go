package supervisor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// progress is a small mapped file that says how far one stream got. The pages
// belong to the kernel, so they are as they were when the daemon is killed.
//
// A round goes: begin (state appending: these bytes go to the log file at this
// offset) - append - commit (state consuming) - consume - idle. Found again
// after a kill,
//
//   - appending: nothing was consumed yet. The log file is cut back to the
//     offset and the bytes are read again;
//   - consuming: they are in the log file. How many of them were consumed shows
//     in the landing area: it is filled with the complement of the bytes before,
//     and the FIFO is read straight into it, so that every byte that left the
//     FIFO stands there as itself. The rest is consumed now.
//
// The file is written in full before it is mapped, so that a full disk is an
// error here and not a fault at the first store.
type progress struct {
	mem     []byte
	state   *uint64
	mapped  bool
	data    []byte // the bytes of this round
	landing []byte // where they are read to when they are consumed
}

const (
	progressIdle uint64 = iota
	progressAppending
	progressConsuming
)

const (
	progressHeader = 4096
	progressSize   = progressHeader + 2*chunk
	progressOffset = 8  // where in the log file, -1 nowhere
	progressFile   = 16 // which log file
	progressLength = 24 // of this round
)

// openProgress maps the file, creating it when needed. When that is impossible
// (disk full) the record is kept in memory: the stream is still followed, only
// a SIGKILL may then double or lose its last lines.
func openProgress(name string, log *slog.Logger) (*progress, error) {
	p := &progress{}
	mem, err := mapProgress(name)
	if err != nil {
		log.Warn("worker output is followed without a progress record", "error", err)
		// Of words, so that the state in it is aligned.
		words := make([]uint64, progressSize/8)
		mem = unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), progressSize)
	}
	p.mem, p.mapped = mem, err == nil
	p.state = (*uint64)(unsafe.Pointer(&mem[0]))
	p.data = mem[progressHeader : progressHeader+chunk]
	p.landing = mem[progressHeader+chunk:]
	return p, nil
}

func mapProgress(name string) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() != progressSize { // new, or its creation was cut short
		if _, err := f.WriteAt(make([]byte, progressSize), 0); err != nil {
			return nil, err
		}
		if err := f.Truncate(progressSize); err != nil {
			return nil, err
		}
	}
	mem, err := unix.Mmap(int(f.Fd()), 0, progressSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", name, err)
	}
	return mem, nil
}

func (p *progress) begin(data []byte, offset int64, file uint64) {
	copy(p.data, data)
	for i, b := range data {
		p.landing[i] = ^b
	}
	binary.NativeEndian.PutUint64(p.mem[progressOffset:], uint64(offset))
	binary.NativeEndian.PutUint64(p.mem[progressFile:], file)
	binary.NativeEndian.PutUint64(p.mem[progressLength:], uint64(len(data)))
	atomic.StoreUint64(p.state, progressAppending)
}

// commit does nothing when begin was not reached: the lines were dropped.
func (p *progress) commit() {
	if atomic.LoadUint64(p.state) == progressAppending {
		atomic.StoreUint64(p.state, progressConsuming)
	}
}

func (p *progress) pending() bool { return atomic.LoadUint64(p.state) != progressIdle }

// consume takes the bytes of this round out of the FIFO, those that are still
// in it.
func (p *progress) consume(read func([]byte) (int, error)) error {
	length := int(min(binary.NativeEndian.Uint64(p.mem[progressLength:]), chunk))
	done := 0
	for done < length && p.landing[done] == p.data[done] {
		done++
	}
	for done < length {
		n, err := read(p.landing[done:length])
		if errors.Is(err, unix.EAGAIN) || err == nil && n == 0 {
			break // the FIFO is another one: its holder ended and it was emptied
		}
		if err != nil {
			return fmt.Errorf("consume: %w", err)
		}
		done += n
	}
	atomic.StoreUint64(p.state, progressIdle)
	return nil
}

// recover finishes the round that was under way when the daemon was killed.
// available is how many bytes the FIFO holds.
func (p *progress) recover(log *logFile, available int, read func([]byte) (int, error)) error {
	switch atomic.LoadUint64(p.state) {
	case progressAppending:
		offset := int64(binary.NativeEndian.Uint64(p.mem[progressOffset:]))
		if offset >= 0 {
			// When the FIFO was freed with its last holder, the bytes cannot be
			// read again: what reached the log file, but for half a line, stays.
			again := uint64(available) >= binary.NativeEndian.Uint64(p.mem[progressLength:])
			if err := log.rewind(offset, binary.NativeEndian.Uint64(p.mem[progressFile:]), again); err != nil {
				return fmt.Errorf("take back half an append: %w", err)
			}
		}
		atomic.StoreUint64(p.state, progressIdle)
	case progressConsuming:
		return p.consume(read)
	}
	return nil
}

func (p *progress) close() {
	if p.mapped {
		_ = unix.Munmap(p.mem)
		p.mapped = false
	}
}
