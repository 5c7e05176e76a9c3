package secret

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestText_isNeverPrinted(t *testing.T) {
	t.Parallel()
	token := New("pwk")
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "token", token)
	encoded, err := json.Marshal(map[string]any{"token": token})
	if err != nil {
		t.Fatal(err)
	}
	all := fmt.Sprintf("%s %v %+v %#v %q %s %s", token, token, struct{ T Text }{token}, token, token, log.String(), encoded)
	if strings.Contains(all, token.Reveal()) {
		t.Errorf("the token shows: %s", all)
	}
	if !strings.HasPrefix(token.Reveal(), "pwk_") || len(token.Reveal()) != 4+43 {
		t.Errorf("got a token of %d characters, want pwk_ and 43", len(token.Reveal()))
	}
}
