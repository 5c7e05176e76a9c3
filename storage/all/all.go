// Package all opens a bucket of any provider that this build knows. Programs
// name it; libraries take a storage.Bucket.
package all

import (
	"context"
	"fmt"
	"strings"

	"pipedai/storage"
	"pipedai/storage/gcs"
	"pipedai/storage/local"
	"pipedai/storage/s3"
)

// Providers are the names that Open understands, ascending.
func Providers() []string { return []string{"aws-s3", "gcs", "local", "minio"} }

// Open opens the place that cfg describes, without asking it anything. The
// caller closes it.
func Open(ctx context.Context, cfg storage.Config) (storage.Bucket, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	switch cfg.Provider {
	case "local":
		return opened(local.Open(cfg))
	case "aws-s3", "minio":
		return opened(s3.Open(cfg, nil))
	case "gcs":
		return opened(gcs.Open(cfg, nil))
	}
	return nil, fmt.Errorf("storage backend %q: provider %q is not supported; supported: %s",
		cfg.ID, cfg.Provider, strings.Join(Providers(), ", "))
}

// opened keeps a nil of a concrete type out of the interface.
func opened[B storage.Bucket](b B, err error) (storage.Bucket, error) {
	if err != nil {
		return nil, err
	}
	return b, nil
}

// Absolute returns cfg as another process of this machine must be told it: a
// relative folder of the local provider becomes absolute.
func Absolute(cfg storage.Config, bucket storage.Bucket) storage.Config {
	if b, ok := bucket.(*local.Bucket); ok {
		return b.Config(cfg)
	}
	return cfg
}
