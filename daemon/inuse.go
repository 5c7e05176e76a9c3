package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"pipedai/api"
	"pipedai/daemon/launch"
	"pipedai/internal/hostdir"
	"pipedai/manifest"
)

// VersionsInUse names the installed versions of a program that this host runs,
// goes back to, or is about to run: they must not be removed. What upgrades
// under way have fetched, or have to go back to, is among them.
func VersionsInUse(ctx context.Context, m *manifest.Manifest, dir hostdir.Dir, name string) ([]string, error) {
	var out []string
	use := func(version string) {
		if version != "" && !slices.Contains(out, version) {
			out = append(out, version)
		}
	}
	switch name {
	case api.ProgramWorker:
		entries, err := m.Entries(ctx)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			use(e.Version)
			if e.Former != nil {
				use(*e.Former)
			}
		}
	case program:
		st, err := launch.Read(dir)
		if err != nil {
			return nil, err
		}
		for _, v := range st.Uses() {
			use(v.Name)
		}
	}
	running, err := m.RunningOperations(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	for _, rec := range running {
		switch {
		case name == api.ProgramWorker && rec.Kind == kindUpgrade:
			var st upgradeState
			if json.Unmarshal(rec.State, &st) == nil {
				use(st.FromPin)
				use(st.ToPin)
			}
		case name == program && rec.Kind == kindUpgradeSelf:
			var st selfState
			if json.Unmarshal(rec.State, &st) == nil {
				use(st.Candidate.Name)
			}
		}
	}
	return out, nil
}
