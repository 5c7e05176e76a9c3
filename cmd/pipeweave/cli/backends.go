package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"pipedai/storage"
	"pipedai/storage/all"
)

// backendConfig is one item of STORAGE_BACKENDS.
type backendConfig struct {
	storage.Config
	IsDefault   bool   `json:"isDefault"`
	Description string `json:"description"`
}

// parseBackends reads the JSON array and the id of its default (the flagged or
// the first), or else the older variables for one backend, or makes the
// embedded one: a folder beside the database. It reports every problem at once.
func parseBackends(text string, dir state, getenv func(string) string) (found []storage.Config, flagged string, err error) {
	if strings.TrimSpace(text) == "" {
		if cfg, given := legacyBackend(getenv); given {
			return []storage.Config{cfg.Normalized()}, cfg.ID, checkBackend(cfg)
		}
		return []storage.Config{{
			ID: "local", Provider: "local", Endpoint: "file://", Bucket: "storage",
			Credentials: storage.Credentials{"basePath": dir.storage()},
		}}, "local", nil
	}
	var items []backendConfig
	if err := json.Unmarshal([]byte(text), &items); err != nil {
		return nil, "", fmt.Errorf("not a JSON array of backends: %s", withoutValues(err))
	}
	if len(items) == 0 {
		return nil, "", errors.New("At least one storage backend must be configured")
	}
	var problems []error
	for i, item := range items {
		if item.ID == "" {
			problems = append(problems, fmt.Errorf("backend %d: id is missing", i+1))
			continue
		}
		if slices.ContainsFunc(found, func(c storage.Config) bool { return c.ID == item.ID }) {
			problems = append(problems, fmt.Errorf("Duplicate storage backend ID: %s", item.ID))
			continue
		}
		cfg := item.Normalized()
		problems = append(problems, checkBackend(cfg))
		if item.IsDefault && flagged == "" {
			flagged = item.ID
		}
		found = append(found, cfg)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, "", err
	}
	return found, first(flagged, found[0].ID), nil
}

// withoutValues is what is wrong with the JSON, without what it holds: that may
// be credentials.
func withoutValues(err error) string {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Sprintf("mistake at byte %d", syntax.Offset)
	case errors.As(err, &kind):
		return fmt.Sprintf("%s has the wrong type, at byte %d", first(kind.Field, "an item"), kind.Offset)
	}
	return "mistake in it"
}

// checkBackend says what is missing in one backend. It names members and never
// shows values of credentials.
func checkBackend(c storage.Config) error {
	needed := map[string][]string{
		"local": {"basePath"}, "aws-s3": {"accessKeyId", "secretAccessKey"}, "minio": {"accessKey", "secretKey"},
		"gcs": {"clientEmail", "privateKey"},
	}
	var missing []string
	names, known := needed[c.Provider]
	switch {
	case c.Provider == "":
		missing = append(missing, "provider")
	case !known:
		return fmt.Errorf("backend %q: provider %q is not one of %s", c.ID, c.Provider, strings.Join(all.Providers(), ", "))
	}
	if c.Provider != "local" && c.Bucket == "" {
		missing = append(missing, "bucket")
	}
	if c.Provider == "minio" && c.Endpoint == "" {
		missing = append(missing, "endpoint")
	}
	for _, name := range names {
		if c.Credentials[name] == "" {
			missing = append(missing, "credentials."+name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("backend %q: %s missing", c.ID, strings.Join(missing, ", "))
	}
	return nil
}

// legacyBackend reads the variables for one backend of older set-ups. They
// count when STORAGE_PROVIDER says which.
func legacyBackend(getenv func(string) string) (storage.Config, bool) {
	provider := getenv("STORAGE_PROVIDER")
	c := storage.Config{ID: "default", Provider: provider, Bucket: first(getenv("S3_BUCKET"), "storage")}
	switch provider {
	case "":
		return c, false
	case "local":
		c.Endpoint, c.Credentials = "file://", storage.Credentials{"basePath": getenv("LOCAL_STORAGE_BASE_PATH")}
	case "s3", "aws-s3":
		c.Provider, c.Endpoint, c.Region = "aws-s3", first(getenv("S3_ENDPOINT"), "https://s3.amazonaws.com"), getenv("S3_REGION")
		c.Bucket = getenv("S3_BUCKET")
		c.Credentials = storage.Credentials{
			"accessKeyId":     first(getenv("S3_ACCESS_KEY"), getenv("AWS_ACCESS_KEY_ID")),
			"secretAccessKey": first(getenv("S3_SECRET_KEY"), getenv("AWS_SECRET_ACCESS_KEY")),
		}
	case "minio":
		c.Endpoint, c.Region, c.Bucket = getenv("S3_ENDPOINT"), getenv("S3_REGION"), getenv("S3_BUCKET")
		c.Credentials = storage.Credentials{
			"accessKey": first(getenv("MINIO_ACCESS_KEY"), getenv("S3_ACCESS_KEY")),
			"secretKey": first(getenv("MINIO_SECRET_KEY"), getenv("S3_SECRET_KEY")),
		}
	case "gcs":
		c.Endpoint, c.Bucket = "https://storage.googleapis.com", getenv("S3_BUCKET")
		c.Credentials = storage.Credentials{
			"projectId": getenv("GCP_PROJECT_ID"), "clientEmail": getenv("GCP_CLIENT_EMAIL"), "privateKey": getenv("GCP_PRIVATE_KEY"),
		}
	}
	return c, true
}

// chooseBackend checks the default that was asked for by id.
func chooseBackend(backends []storage.Config, id string) error {
	if slices.ContainsFunc(backends, func(c storage.Config) bool { return c.ID == id }) {
		return nil
	}
	return fmt.Errorf("Default storage backend '%s' not found", id)
}

// keepApart refuses local storage that would hold the state folder or the
// database: every worker is told where storage is, and every reader of objects
// would reach the server's secrets through it.
func keepApart(backends []storage.Config, dir state, databaseURL string) error {
	own := []string{dir.dir}
	if file, embedded := databaseFile(databaseURL, dir); embedded {
		own = append(own, file)
	}
	for _, b := range backends {
		base := b.Credentials["basePath"]
		if b.Provider != "local" || base == "" {
			continue
		}
		for _, path := range own {
			inside, err := filepath.Rel(realPath(base), realPath(path))
			if err == nil && filepath.IsLocal(inside) {
				return fmt.Errorf("%s: the folder %s holds %s, which is the server's own; use a folder apart from it, such as %s", b.ID, base, path, dir.storage())
			}
		}
	}
	return nil
}

// realPath is a path, absolute and without links as far as it exists.
func realPath(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	for rest := ""; ; {
		if real, err := filepath.EvalSymlinks(abs); err == nil {
			return filepath.Join(real, rest)
		}
		parent := filepath.Dir(abs)
		if parent == abs {
			return filepath.Join(abs, rest)
		}
		abs, rest = parent, filepath.Join(filepath.Base(abs), rest)
	}
}
