package manifest

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"pipedai/internal/hostdir"
)

// legacyFile is manifest.json as earlier programs wrote it. Unknown keys are
// accepted; they stay in the renamed file.
type legacyFile struct {
	Version int           `json:"version"`
	Workers []legacyEntry `json:"workers"`
}

type legacyEntry struct {
	ID           string  `json:"id"`
	Label        string  `json:"label"`
	APIURL       string  `json:"apiUrl"`
	WorkspaceID  *string `json:"workspaceId"`
	ConfigPath   string  `json:"configPath"`
	Mode         Mode    `json:"mode"`
	DesiredState string  `json:"desiredState"`
}

// readLegacy reads and validates path; nil without error when there is none.
func readLegacy(path string) ([]Entry, error) {
	if err := hostdir.Plain(path); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLegacy, err)
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLegacy, err)
	}
	var file legacyFile
	dec := json.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&file); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrLegacy, path, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: %s: more follows after the JSON object", ErrLegacy, path)
	}
	if file.Version != 1 {
		return nil, fmt.Errorf("%w: %s: version is %d, not 1", ErrLegacy, path, file.Version)
	}
	entries := make([]Entry, 0, len(file.Workers))
	ids, configs := map[string]bool{}, map[string]bool{}
	for i, w := range file.Workers {
		e, err := w.entry()
		if err == nil && (ids[e.ID] || configs[e.ConfigPath]) {
			err = fmt.Errorf("%w: its id or its configPath", ErrDuplicate)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %s: workers[%d]: %w", ErrLegacy, path, i, err)
		}
		ids[e.ID], configs[e.ConfigPath] = true, true
		entries = append(entries, e)
	}
	return entries, nil
}

// entry translates one. The one desired state of the old file stood for both:
// it decided what the supervisor did, and was set together with the remote one.
func (w legacyEntry) entry() (Entry, error) {
	if w.DesiredState != "enabled" && w.DesiredState != "disabled" {
		return Entry{}, fmt.Errorf("%w: desiredState %q is neither enabled nor disabled", ErrInvalid, w.DesiredState)
	}
	on := w.DesiredState == "enabled"
	e := Entry{ID: w.ID, Label: w.Label, APIURL: w.APIURL, ConfigPath: w.ConfigPath, Mode: w.Mode, Running: on, Enabled: on}
	if w.WorkspaceID != nil {
		e.WorkspaceID = *w.WorkspaceID
	}
	return e, e.Validate()
}

// importLegacy adds entries in one transaction and then renames the file. A
// crash between the two makes the next Open import again; what is in the
// manifest by then wins, so nothing doubles.
func (m *Manifest) importLegacy(ctx context.Context, path string, entries []Entry) error {
	now := time.Now()
	err := m.write(ctx, func(tx *sql.Tx) error {
		for _, e := range entries {
			var taken int
			err := tx.QueryRowContext(ctx, `SELECT count(*) FROM entries WHERE id = ? OR config_path = ?`, e.ID, e.ConfigPath).Scan(&taken)
			if err != nil {
				return err
			}
			if taken > 0 {
				continue
			}
			e.CreatedAt = now
			if err := insertEntry(ctx, tx, e); err != nil {
				return fmt.Errorf("%s: %w", e.ID, err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("import %s: %w", path, err)
	}
	if err := os.Rename(path, path+".imported"); err != nil {
		return fmt.Errorf("import %s: %w", path, err)
	}
	return nil
}
