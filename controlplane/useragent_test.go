package controlplane

import "testing"

func TestAgentOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]agent{
		"pipedai-orchestrator/1.4.2 (Debian GNU/Linux 12 (bookworm); amd64)": {"1.4.2", "Debian GNU/Linux 12 (bookworm)", "amd64"},
		"pipedai-orchestrator/1.4.2 (linux)":                                 {version: "1.4.2"}, // before it said more
		"pipedai-orchestrator/1.4.2":                                         {version: "1.4.2"},
		"pipedai-orchestrator/1.4.2 (cut off; am":                            {version: "1.4.2"},
		"curl/8.0 (x; y)":                                                    {},
		"":                                                                   {},
	} {
		if got := agentOf(text); got != want {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
}
