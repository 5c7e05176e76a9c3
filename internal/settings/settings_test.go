package settings

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

func table() Table {
	return Table{
		{Key: "home", Flag: "home", NoFile: true},
		{Key: "port", Flag: "port", Env: []string{"PORT", "OLD_PORT"}, Default: "1", Check: func(v string) error {
			if strings.Trim(v, "0123456789") != "" {
				return errors.New("no number")
			}
			return nil
		}},
		{Key: "name", Default: "x"},
		{Key: "loud", Flag: "loud", Env: []string{"LOUD"}, Default: "false", Kind: Toggle},
	}
}

func resolve(t *testing.T, file string, env map[string]string, args ...string) (Choices, error) {
	t.Helper()
	flags := pflag.NewFlagSet("t", pflag.ContinueOnError)
	table().Bind(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return table().Resolve(flags, func(name string) string { return env[name] }, "f.yaml", []byte(file))
}

func TestResolve(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		file string
		env  map[string]string
		args []string
		want string
	}{
		"default":           {want: "1 default"},
		"file":              {file: "port: 2", want: "2 file f.yaml"},
		"older environment": {file: "port: 2", env: map[string]string{"OLD_PORT": "3"}, want: "3 environment OLD_PORT"},
		"environment":       {file: "port: 2", env: map[string]string{"OLD_PORT": "3", "PORT": "4"}, want: "4 environment PORT"},
		"flag":              {file: "port: 2", env: map[string]string{"PORT": "4"}, args: []string{"--port", "5"}, want: "5 flag --port"},
	} {
		all, err := resolve(t, tt.file, tt.env, tt.args...)
		if c := all["port"]; err != nil || c.Value+" "+c.Origin != tt.want {
			t.Errorf("%s: got %s %s, want %s; %v", name, c.Value, c.Origin, tt.want, err)
		}
	}
	if all, err := resolve(t, "loud: yes", nil); err == nil && !all["loud"].On() {
		t.Error("a toggle of the file is lost")
	}
	// Every problem is told, each with its place, also where another place wins.
	_, err := resolve(t, "prot: 2\nport: x\nhome: /x\nname:\n", map[string]string{"LOUD": "maybe"}, "--port", "y")
	for _, text := range []string{`no setting "prot"`, "f.yaml: port: no number", `no setting "home"`, "has no value", "LOUD", "--port: no number"} {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%q is missing in: %v", text, err)
		}
	}
}

func TestEdit(t *testing.T) {
	t.Parallel()
	const file = "# ours\nport: 2 # theirs\n\n# a name\nname: old\n"
	put := func(data, key, value string) string {
		t.Helper()
		out, err := table().Put([]byte(data), key, value)
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	if diff := cmp.Diff("# ours\nport: 3 # theirs\n# a name\nname: old\n", strings.ReplaceAll(put(file, "port", "3"), "\n\n", "\n")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// What would be read as something else is quoted.
	for _, value := range []string{"true", "12", "null", "a: b", "# no", "", "{}", "two\nlines"} {
		all, err := resolve(t, put("", "name", value), nil)
		if err != nil || all["name"].Value != value {
			t.Errorf("%q was read back as %q, %v", value, all["name"].Value, err)
		}
	}
	out, err := table().Drop([]byte("port: 2\n"), "port")
	if err != nil || len(out) > 0 {
		t.Errorf("the last one dropped: %q, %v", out, err)
	}
	for key, value := range map[string]string{"prot": "1", "home": "/x", "port": "x", "loud": "maybe"} {
		if _, err := table().Put(nil, key, value); err == nil {
			t.Errorf("%s=%s was taken", key, value)
		}
	}
	if _, err := table().Put([]byte("- a list\n"), "port", "1"); err == nil {
		t.Error("a file that is no list of settings was replaced")
	}
}
