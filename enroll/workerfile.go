package enroll

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"pipedai/internal/atomicfile"
	"pipedai/internal/hostdir"
	"pipedai/internal/secret"
)

// WorkerFile is the configuration a worker process is started with,
// worker.json. Tasks are the task files it offers, absolute or relative to the
// file itself.
type WorkerFile struct {
	WorkerID    string
	WorkerToken secret.Text
	APIURL      string
	WorkspaceID string
	IsPool      bool
	Tasks       []string
}

// ReadWorkerFile reads a worker.json.
func ReadWorkerFile(path string) (WorkerFile, error) {
	if err := hostdir.Plain(path); err != nil {
		return WorkerFile{}, fmt.Errorf("read worker configuration: %w", err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return WorkerFile{}, fmt.Errorf("read worker configuration: %w", err)
	}
	var typed struct {
		WorkerID    string   `json:"workerId"`
		WorkerToken string   `json:"workerToken"`
		APIURL      string   `json:"apiUrl"`
		WorkspaceID *string  `json:"workspaceId"`
		IsPool      bool     `json:"isPool"`
		Tasks       []string `json:"tasks"`
	}
	if err := json.Unmarshal(data, &typed); err != nil {
		return WorkerFile{}, fmt.Errorf("%s is not a worker configuration: %w", path, err)
	}
	out := WorkerFile{
		WorkerID: typed.WorkerID, WorkerToken: secret.Text(typed.WorkerToken), APIURL: typed.APIURL,
		IsPool: typed.IsPool, Tasks: typed.Tasks,
	}
	if typed.WorkspaceID != nil {
		out.WorkspaceID = *typed.WorkspaceID
	}
	return out, nil
}

// WriteWorkerFile replaces the file. A nil Tasks keeps the task files that the
// old one named, and members this program does not know are kept too.
func WriteWorkerFile(path string, f WorkerFile) error {
	if err := plain(path, path+".lock"); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("create state folder: %w", err)
	}
	return atomicfile.Update(path, 0o600, func(old []byte) ([]byte, error) {
		members := map[string]any{}
		if old != nil && json.Unmarshal(old, &members) != nil {
			members = map[string]any{} // it was no configuration; what replaces it is one
		}
		members["workerId"] = f.WorkerID
		members["workerToken"] = f.WorkerToken.Reveal()
		members["apiUrl"] = f.APIURL
		members["workspaceId"] = f.WorkspaceID
		members["isPool"] = f.IsPool
		if f.Tasks != nil {
			members["tasks"] = f.Tasks
		}
		data, err := json.MarshalIndent(members, "", "  ")
		if err != nil {
			return nil, fmt.Errorf("encode worker configuration: %w", err)
		}
		return data, nil
	})
}
