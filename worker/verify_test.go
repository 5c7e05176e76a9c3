package worker

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pipedai/api"
	"pipedai/storage"
	"pipedai/storage/local"
)

// Row S4: an input, an output or an asset that is not what was stored is an
// error, and the handler sees none of it. What older workers stored without a
// hash is taken as it is; the output's size is no measure, because they count
// characters.
func TestS4_hydrate(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	bucket, err := local.Open(storage.Config{Provider: "local", Credentials: storage.Credentials{"basePath": base}})
	if err != nil {
		t.Fatal(err)
	}
	defer bucket.Close()
	stored := map[string]storage.Object{}
	for _, name := range []string{"in.json", "out.json", "asset"} {
		object, err := bucket.Put(t.Context(), name, strings.NewReader(`{"n":1}`), -1, "")
		if err != nil {
			t.Fatal(err)
		}
		stored[name] = object
		// Without the attribute, as where the file system has none.
		if err := os.WriteFile(filepath.Join(base, name+".new"), []byte(`{"n":1}`), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(base, name+".new"), filepath.Join(base, name)); err != nil {
			t.Fatal(err)
		}
	}
	dispatch := func(input, output, asset string) api.Dispatch {
		refs, err := json.Marshal(map[string]api.UpstreamRef{"before": {
			OutputPath: "out.json", SHA256: output,
			Assets: map[string]api.Asset{"k": {Path: "asset", Size: 7, Type: "json", SHA256: asset}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		return api.Dispatch{InputPath: "in.json", InputSHA256: input, UpstreamRefs: refs}
	}
	good, bad := stored["in.json"].SHA256, strings.Repeat("0", 64)
	for _, d := range []api.Dispatch{dispatch(good, good, good), dispatch("", "", "")} {
		if _, err := inputOf(t.Context(), bucket, d); err != nil {
			t.Errorf("what was stored is refused: %v", err)
		}
		env, err := hydrate(t.Context(), bucket, d)
		if err == nil {
			err = env.fetch(t.Context(), "k", filepath.Join(t.TempDir(), "k"))
		}
		if err != nil {
			t.Errorf("what was stored is refused: %v", err)
		}
	}
	if _, err := inputOf(t.Context(), bucket, dispatch(bad, good, good)); !errors.Is(err, storage.ErrAltered) {
		t.Errorf("got %v, want ErrAltered", err)
	}
	if _, err := hydrate(t.Context(), bucket, dispatch(good, bad, good)); !errors.Is(err, storage.ErrAltered) {
		t.Errorf("got %v, want ErrAltered", err)
	}
	env, err := hydrate(t.Context(), bucket, dispatch(good, good, bad))
	if err != nil {
		t.Fatal(err)
	}
	dest := filepath.Join(t.TempDir(), "k")
	if err := env.fetch(t.Context(), "k", dest); !errors.Is(err, storage.ErrAltered) {
		t.Errorf("got %v, want ErrAltered", err)
	}
	if _, err := os.Stat(dest); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the altered asset was handed out: %v", err)
	}
}
