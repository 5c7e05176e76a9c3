// Package all opens a bucket of any provider that this build knows. Programs
// name it; libraries take a storage.Bucket.
package all

import (
	"context"
	"fmt"
	"strings"

	"pipedai/storage"
	"pipedai/storage/local"
)

// Providers are the names that Open understands, ascending.
func Providers() []string { return []string{"local"} }

// Open opens the place that cfg describes. The caller closes it.
func Open(ctx context.Context, cfg storage.Config) (storage.Bucket, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if cfg.Provider == "local" {
		return local.Open(cfg)
	}
	return nil, fmt.Errorf("storage backend %q: provider %q is not supported; supported: %s",
		cfg.ID, cfg.Provider, strings.Join(Providers(), ", "))
}

// Absolute returns cfg as another process of this machine must be told it: a
// relative folder of the local provider becomes absolute.
func Absolute(cfg storage.Config, bucket storage.Bucket) storage.Config {
	if b, ok := bucket.(*local.Bucket); ok {
		return b.Config(cfg)
	}
	return cfg
}
