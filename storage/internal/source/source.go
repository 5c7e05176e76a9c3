// Package source is what providers that store over a network share: it reads
// what is to be stored in blocks, counts and hashes it, and knows the last block
// when it sees it; and it reads what was stored through connections that break.
package source

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"pipedai/internal/bounded"
)

// Source is what one Put stores.
type Source struct {
	ctx   context.Context
	raw   io.Reader
	in    *bufio.Reader
	size  int64 // announced; negative: not known
	block int
	buf   bytes.Buffer
	hash  hash.Hash
	read  int64
}

// New reads r in blocks of that many bytes; size is what was announced, or
// negative.
func New(ctx context.Context, r io.Reader, size int64, block int) *Source {
	return &Source{ctx: ctx, raw: r, size: size, block: block, hash: sha256.New()}
}

// Hash returns the SHA-256 of everything before it is sent, in hex, when r can
// be read twice; otherwise it is empty. It comes before the first Next.
func (s *Source) Hash() (string, error) {
	seeker, ok := s.raw.(io.Seeker)
	if !ok {
		return "", nil
	}
	start, err := seeker.Seek(0, io.SeekCurrent)
	if err != nil {
		return "", nil //nolint:nilerr // a pipe that calls itself a file: read once
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, bounded.Reader(s.ctx, s.raw)); err != nil {
		return "", err
	}
	if _, err := seeker.Seek(start, io.SeekStart); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// Next returns the next block, which is valid until the call after, and
// whether it is the last one. A source that is shorter or longer than
// announced fails before its last block is handed out.
func (s *Source) Next() (block []byte, last bool, err error) {
	if s.in == nil {
		s.in = bufio.NewReaderSize(bounded.Reader(s.ctx, s.raw), 32<<10)
		if s.size >= 0 {
			s.buf.Grow(int(min(s.size, int64(s.block))))
		}
	}
	s.buf.Reset()
	n, err := io.CopyN(&s.buf, s.in, int64(s.block))
	s.read += n
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, false, err
	}
	s.hash.Write(s.buf.Bytes())
	if err == nil {
		_, err = s.in.Peek(1)
	}
	last = errors.Is(err, io.EOF)
	if err != nil && !last {
		return nil, false, err
	}
	if s.size >= 0 && (last && s.read != s.size || s.read > s.size) {
		return nil, false, fmt.Errorf("%d bytes or more came, %d were announced", s.read, s.size)
	}
	return s.buf.Bytes(), last, nil
}

// Size is how much was read, and Sum its SHA-256 in hex; of everything after
// the last block.
func (s *Source) Size() int64 { return s.read }

// Sum is the SHA-256 of what was read so far, in hex.
func (s *Source) Sum() string { return hex.EncodeToString(s.hash.Sum(nil)) }
