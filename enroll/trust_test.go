package enroll

import (
	"context"
	"errors"
	"testing"

	"pipedai/api"
	"pipedai/manifest"
)

// The keys that come with the credentials are handed on, once the host is
// enrolled; that they are not believed is told and undoes nothing.
func TestConnect_releaseKeys(t *testing.T) {
	t.Parallel()
	refused := errors.New("another key is pinned")
	for name, tt := range map[string]struct {
		keys  *api.ReleaseKeys
		says  error
		asked int
	}{
		"none":         {nil, nil, 0},
		"not set up":   {&api.ReleaseKeys{}, nil, 0},
		"believed":     {&api.ReleaseKeys{First: "ed25519:x"}, nil, 1},
		"not believed": {&api.ReleaseKeys{First: "ed25519:x"}, refused, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := testOptions(testDir(t), &scripted{answers: []func(context.Context) (api.RedeemResult, error){
				func(ctx context.Context) (api.RedeemResult, error) {
					answer, err := granted(ctx)
					answer.ReleaseKeys = tt.keys
					return answer, err
				},
			}})
			o.Code = "enr_code"
			asked := 0
			o.Trust = func(_ context.Context, hosts *manifest.Manifest, apiURL string, keys api.ReleaseKeys) error {
				asked++
				if hosts == nil || apiURL != "https://api.example.test" || keys.First != "ed25519:x" {
					t.Errorf("handed on %s %+v", apiURL, keys)
				}
				return tt.says
			}
			r, err := Connect(t.Context(), o)
			if err != nil || asked != tt.asked || !errors.Is(r.Distrust, tt.says) {
				t.Errorf("asked %d times, got %v, %v", asked, r.Distrust, err)
			}
			if len(entriesOf(t, o.Dir)) != 1 {
				t.Error("the host is not enrolled")
			}
		})
	}
}
