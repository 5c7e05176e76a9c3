package daemon

import (
	"strings"
	"testing"
)

func TestQRCode(t *testing.T) {
	t.Parallel()
	rows := qrCode("https://control.example.com/activate")
	if len(rows) < 21 || len(rows) != len(rows[0]) || !strings.HasPrefix(rows[0], "####### ") || !strings.HasSuffix(rows[6], " #######") {
		t.Errorf("no QR code:\n%s", strings.Join(rows, "\n"))
	}
	for _, text := range []string{"", strings.Repeat("x", 301)} {
		if got := qrCode(text); got != nil {
			t.Errorf("%d characters became %d rows", len(text), len(got))
		}
	}
}
