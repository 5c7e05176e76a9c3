package cli

import (
	"testing"

	"pipedai/daemon/osservice"
)

// A host whose home somebody chose, a test above all, never becomes a service
// of the machine by itself.
func TestConnect_102_installsOnlyTheUsualHome(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env, flag string
		o         connectOptions
		looks     bool
	}{
		"variable": {env: "/srv/host"}, "flag": {flag: "/srv/host"}, "not wanted": {o: connectOptions{noInstall: true}},
		"no service manager": {looks: true},
	} {
		looked := false
		d := &deps{home: c.flag, available: func(func(string) string) (system, person osservice.Kind) {
			looked = true
			return "", ""
		}}
		d.streams.Getenv = func(name string) string {
			if name == "PIPEDAI_HOME" {
				return c.env
			}
			return ""
		}
		if report, why := d.installUnasked(t.Context(), c.o); report != nil || why == "" || looked != c.looks {
			t.Errorf("%s: %+v, %q, looked for a service manager: %v", name, report, why, looked)
		}
	}
}
