package storage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
)

// Ref is an object as whoever stored it described it.
type Ref struct {
	Path   string
	Size   int64  // bytes; negative: not known
	SHA256 string // hex; empty: not known
}

// Open opens an object and verifies it while it is read, against ref and
// against what the provider knows of it. Its last bytes are handed out only
// once all of them are known to be what was stored; otherwise reading fails
// with ErrAltered.
func Open(ctx context.Context, b Bucket, ref Ref) (io.ReadCloser, Object, error) {
	body, object, err := b.Get(ctx, ref.Path)
	if err != nil {
		return nil, Object{}, err
	}
	if problem := differs(ref, object); problem != "" {
		_ = body.Close()
		return nil, Object{}, fmt.Errorf("get %s: %w: %s", ref.Path, ErrAltered, problem)
	}
	want := object.SHA256
	if ref.SHA256 != "" {
		want = ref.SHA256
	}
	return &verifier{path: ref.Path, body: body, size: object.Size, want: want, hash: sha256.New()}, object, nil
}

// differs says how an object differs from its description as far as both say.
func differs(ref Ref, object Object) string {
	switch {
	case ref.Size >= 0 && ref.Size != object.Size:
		return fmt.Sprintf("it has %d bytes and not the %d it was stored with", object.Size, ref.Size)
	case ref.SHA256 != "" && object.SHA256 != "" && !strings.EqualFold(ref.SHA256, object.SHA256):
		return "it has another SHA-256"
	}
	return ""
}

// held is how much a verifier reads ahead. An object up to this size is
// verified before its first byte is handed out.
const held = 64 << 10

// verifier hands out a block after the next one was read, and the last one
// after the whole was verified.
type verifier struct {
	path string
	body io.ReadCloser
	size int64
	want string // hex; empty: only the size is checked
	hash hash.Hash

	ready []byte // verified as far as can be: to hand out
	ahead []byte // read, to be handed out later
	spare []byte
	read  int64
	err   error // after ready
}

func (v *verifier) Read(p []byte) (int, error) {
	for len(v.ready) == 0 {
		if v.err != nil {
			return 0, v.err
		}
		v.fill()
	}
	n := copy(p, v.ready)
	v.ready = v.ready[n:]
	return n, nil
}

// fill reads a block, after which the one before may go.
func (v *verifier) fill() {
	if v.spare == nil {
		v.spare = make([]byte, min(held, v.size+1)) // one more shows that it is too long
	}
	n, err := io.ReadFull(v.body, v.spare)
	block := v.spare[:n]
	v.read += int64(n)
	v.hash.Write(block)
	switch {
	case err == nil && v.read <= v.size:
		v.ready, v.spare = v.ahead, v.ahead[:cap(v.ahead)]
		if cap(v.spare) == 0 {
			v.spare = nil
		}
		v.ahead = block
	case err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		v.err = v.verdict()
		if errors.Is(v.err, io.EOF) {
			v.ready = append(v.ahead[:len(v.ahead):len(v.ahead)], block...)
		}
	default:
		v.err = err
	}
}

// verdict is io.EOF for an object that is what was stored.
func (v *verifier) verdict() error {
	switch {
	case v.read != v.size:
		return fmt.Errorf("read %s: %w: %s", v.path, ErrAltered, fmt.Sprintf("%d of %d bytes came", v.read, v.size))
	case v.want != "" && !strings.EqualFold(hex.EncodeToString(v.hash.Sum(nil)), v.want):
		return fmt.Errorf("read %s: %w: its SHA-256 differs", v.path, ErrAltered)
	}
	return io.EOF
}

func (v *verifier) Close() error { return v.body.Close() }
