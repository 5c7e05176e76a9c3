package cli

import (
	"strings"
	"testing"
)

// A password that a URL has to escape, or that stands among its parameters, was
// shown as it is spelled there.
func TestDatabaseURL_hidesPasswords(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"postgres://u:hush@h/db":                      "postgres://u:***@h/db",
		"postgres://u:h%40sh%2F@h:1/db?sslmode=x":     "postgres://u:***@h:1/db?sslmode=x",
		"postgres://u@h/db?password=h%26sh&sslmode=x": "postgres://u@h/db?password=***&sslmode=x",
		"postgres://u:u@h/db":                         "postgres://u:***@h/db",
		"postgres://h/db":                             "postgres://h/db",
		"sqlite:/a b/c.db":                            "sqlite:/a b/c.db",
		"postgres://u:hush[@h/db":                     "*** (malformed)",
	} {
		if got := shownURL(address); got != want {
			t.Errorf("%s: got %s, want %s", address, got, want)
		}
		for _, secret := range []string{"hush", "h@sh/", "h%40sh%2F", "h&sh", "h%26sh"} {
			if got := withoutPassword("connect to "+address+" as h@sh/, h&sh", address); strings.Contains(address, secret) && strings.Contains(got, secret) {
				t.Errorf("%s: %q is still in %q", address, secret, got)
			}
		}
	}
}
