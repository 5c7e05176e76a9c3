package s3

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/minio/minio-go/v7"

	"pipedai/storage"
	"pipedai/storage/internal/source"
)

// User metadata, as the client spells it after the prefix.
const (
	metaSum    = "Sha256"
	metaWriter = "Writer" // who won a PutNew
)

const (
	partSize = 8 << 20
	// streamPart is the part of an upload of unknown size, of which there may be
	// no more than maxParts.
	streamPart = 16 << 20
	maxParts   = 10_000
	abortAfter = 30 * time.Second
)

// Put stores an object.
func (b *Bucket) Put(ctx context.Context, path string, r io.Reader, size int64, contentType string) (storage.Object, error) {
	return b.put(ctx, path, r, size, contentType, "")
}

// PutNew stores an object where there is none.
func (b *Bucket) PutNew(ctx context.Context, path string, r io.Reader, size int64, contentType string) (storage.Object, error) {
	return b.put(ctx, path, r, size, contentType, rand.Text())
}

// put stores an object; a writer's name makes it conditional. A request whose
// answer was lost is sent again, and finds its own object there: the name
// tells that from a lost race.
func (b *Bucket) put(ctx context.Context, path string, r io.Reader, size int64, contentType, writer string) (storage.Object, error) {
	path, err := storage.CleanPath(path)
	if err != nil {
		return storage.Object{}, err
	}
	// What is sent is in memory and its hash is known, so the signature covers it
	// whole. Signing in chunks, as the client would over plain HTTP, leaves bytes
	// behind an empty object that a server can take for the next request.
	opts := minio.PutObjectOptions{ContentType: contentType, UserMetadata: map[string]string{}, DisableContentSha256: true}
	if writer != "" {
		opts.UserMetadata[metaWriter] = writer
		opts.SetMatchETagExcept("*")
	}
	in := source.New(ctx, r, size, blockFor(size))
	err = b.classify(ctx, b.send(ctx, path, in, size, opts))
	if writer != "" && errors.Is(err, storage.ErrExists) {
		info, statErr := b.core.StatObject(ctx, b.name, path, minio.StatObjectOptions{})
		if statErr == nil && info.UserMetadata[metaWriter] == writer {
			err = nil
		}
	}
	if err != nil {
		return storage.Object{}, fmt.Errorf("put %s: %w", path, err)
	}
	return storage.Object{Path: path, Size: in.Size(), ContentType: contentType, SHA256: in.Sum()}, nil
}

// blockFor is how much is sent at a time, and held in memory.
func blockFor(size int64) int {
	if size < 0 {
		return streamPart
	}
	return int(max(partSize, size/(maxParts-1)+1))
}

// send stores what fits one part as one object, and the rest in parts.
func (b *Bucket) send(ctx context.Context, path string, in *source.Source, size int64, opts minio.PutObjectOptions) error {
	if size > partSize { // the metadata goes first
		sum, err := in.Hash()
		if err != nil {
			return err
		}
		if sum != "" {
			opts.UserMetadata[metaSum] = sum
		}
	}
	block, last, err := in.Next()
	if err != nil {
		return err
	}
	if last {
		opts.UserMetadata[metaSum] = in.Sum()
		return sendBlock(ctx, block, func(body io.Reader) error {
			_, err := b.core.PutObject(ctx, b.name, path, body, int64(len(block)), "", in.Sum(), opts)
			return err
		})
	}
	return b.sendParts(ctx, path, in, block, opts)
}

func (b *Bucket) sendParts(ctx context.Context, path string, in *source.Source, block []byte, opts minio.PutObjectOptions) (err error) {
	upload, err := b.core.NewMultipartUpload(ctx, b.name, path, minio.PutObjectOptions{
		ContentType: opts.ContentType, UserMetadata: opts.UserMetadata,
	})
	if err != nil {
		return err
	}
	defer func() {
		if err != nil { // parts of an upload that nobody completes are paid for
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortAfter)
			defer cancel()
			_ = b.core.AbortMultipartUpload(ctx, b.name, path, upload)
		}
	}()
	var parts []minio.CompletePart
	for last := false; ; {
		sum := sha256.Sum256(block)
		var part minio.ObjectPart
		err := sendBlock(ctx, block, func(body io.Reader) (err error) {
			part, err = b.core.PutObjectPart(ctx, b.name, path, upload, len(parts)+1, body, int64(len(block)),
				minio.PutObjectPartOptions{Sha256Hex: hex.EncodeToString(sum[:]), DisableContentSha256: true})
			return err
		})
		if err != nil {
			return err
		}
		parts = append(parts, minio.CompletePart{PartNumber: part.PartNumber, ETag: part.ETag})
		if last {
			break
		}
		if len(parts) == maxParts {
			return fmt.Errorf("larger than %d bytes, which is the most without a size announced", int64(maxParts)*streamPart)
		}
		if block, last, err = in.Next(); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil { // the last look before it becomes visible
		return context.Cause(ctx)
	}
	complete := minio.PutObjectOptions{}
	if opts.UserMetadata[metaWriter] != "" {
		complete.SetMatchETagExcept("*")
	}
	_, err = b.core.CompleteMultipartUpload(ctx, b.name, path, upload, parts, complete)
	return err
}
