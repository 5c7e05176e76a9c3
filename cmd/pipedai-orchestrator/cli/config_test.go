package cli

import (
	"testing"

	"pipedai/internal/settings"
)

// What the daemon tells of its settings has no password of a URL in it.
func TestShownConfig(t *testing.T) {
	t.Parallel()
	all := settings.Choices{
		keyNPMRegistry:   {Setting: settings.Setting{Key: keyNPMRegistry}, Value: "https://ada:hunter2@npm.example.com/"},
		keyProbeInternet: {Setting: settings.Setting{Key: keyProbeInternet}, Value: "https://a.example.com/204,https://x:hunter2@b.example.com/"},
		keyPort:          {Setting: settings.Setting{Key: keyPort}, Value: "4600", Origin: "file"},
	}
	got := map[string]string{}
	for _, item := range shownConfig(all, "f").Items {
		got[item.Key] = item.Value
	}
	if got[keyNPMRegistry] != "https://ada:xxxxx@npm.example.com/" || got[keyProbeInternet] != "https://a.example.com/204,https://x:xxxxx@b.example.com/" || got[keyPort] != "4600" {
		t.Error(got)
	}
}
