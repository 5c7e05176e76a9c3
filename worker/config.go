package worker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// Config is worker.json: who a worker is, and which tasks it offers. Members
// that this program does not know belong to others and are kept by whoever
// writes the file.
type Config struct {
	WorkerID    string   `json:"workerId"`
	WorkerToken Secret   `json:"-"`
	APIURL      string   `json:"apiUrl"`
	WorkspaceID *string  `json:"workspaceId,omitempty"`
	IsPool      bool     `json:"isPool"`
	Tasks       []string `json:"tasks,omitempty"` // task files, relative to worker.json
	Path        string   `json:"-"`               // of the file it was read from
}

// ErrConfig is wrapped by every error of a worker.json that cannot be used.
var ErrConfig = errors.New("the worker's configuration cannot be used")

// LoadConfig reads a worker.json.
func LoadConfig(path string) (Config, error) {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s %s", ErrConfig, path, fmt.Sprintf(format, args...))
	}
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Config{}, bad("does not exist")
	case err != nil:
		return Config{}, bad("cannot be read: %v", err)
	}
	var file struct {
		Config
		Token string `json:"workerToken"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return Config{}, bad("is not the JSON expected: %s", jsonProblem(err))
	}
	cfg := file.Config
	cfg.WorkerToken, cfg.Path = Secret(file.Token), path
	switch {
	case cfg.WorkerID == "":
		return Config{}, bad("has no workerId")
	case cfg.APIURL == "":
		return Config{}, bad("has no apiUrl")
	case !strings.HasPrefix(file.Token, "wkt_"):
		return Config{}, bad("has no workerToken that starts with wkt_")
	}
	return cfg, nil
}
