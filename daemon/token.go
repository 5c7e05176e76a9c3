package daemon

import (
	"context"

	"pipedai/enroll"
	"pipedai/internal/secret"
	"pipedai/manifest"
)

// eventToken says that the local API has another token now.
const eventToken = "token.replaced"

// localToken reads the token of the local API from its file.
func (h *host) localToken() (secret.Text, error) {
	creds, err := enroll.LoadCredentials(h.o.Dir.Credentials())
	return creds.LocalToken, err
}

// tokenReplaced keeps the new token out of worker output, and leaves a line for
// whoever asks later when it changed.
func (h *host) tokenReplaced() {
	ctx := context.Background()
	entries, err := h.manifest.Entries(ctx)
	if err == nil {
		h.learnSecrets(entries)
		_, err = h.manifest.AppendEvent(ctx, manifest.Event{Type: eventToken})
	}
	if err != nil {
		h.o.Log.Warn("note the new token", "error", err)
	}
}
