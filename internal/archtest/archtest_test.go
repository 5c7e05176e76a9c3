package archtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func root(t *testing.T) string {
	t.Helper()
	dir, err := Root(".")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func report(t *testing.T, breaches []string, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	for _, breach := range breaches {
		t.Error(breach)
	}
}

func TestRepository_Imports(t *testing.T) {
	t.Parallel()
	packages, err := Packages(root(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(packages) < 10 {
		t.Fatalf("found %d packages: the tree was not read", len(packages))
	}
	report(t, Repository().Check(packages), nil)
}

// Every line of the table must be about something: a renamed package must not
// leave a rule behind that guards nothing.
func TestRepository_LinesAreUsed(t *testing.T) {
	t.Parallel()
	packages, err := Packages(root(t))
	if err != nil {
		t.Fatal(err)
	}
	// Planned packages whose rule exists before they do.
	planned := map[string]bool{"upgrade": true, "daemon/connectivity": true, "daemon/osservice": true, "templates": true}
	for _, line := range Repository().May {
		used := false
		for _, p := range packages {
			used = used || matches(line.Subject, p.Path)
		}
		if !used && !planned[line.Subject] {
			t.Errorf("the table has a line for %s, and there is no such package", line.Subject)
		}
	}
}

func TestRepository_PackageComments(t *testing.T) {
	t.Parallel()
	packages, err := Packages(root(t))
	report(t, UndocumentedPackages(packages), err)
}

func TestRepository_FileLength(t *testing.T) {
	t.Parallel()
	long, err := LongFiles(root(t))
	report(t, long, err)
}

func TestRepository_NoPrivateReferences(t *testing.T) {
	t.Parallel()
	found, err := PrivateReferences(root(t))
	report(t, found, err)
}

func TestDocs_TenSecondTable(t *testing.T) {
	t.Parallel()
	dir := root(t)
	data, err := os.ReadFile(filepath.Join(dir, "docs", "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	paths := TablePaths(string(data))
	if len(paths) < 13 {
		t.Fatalf("the first table of docs/ARCHITECTURE.md names %d paths, want at least 13", len(paths))
	}
	for _, p := range paths {
		full := filepath.Join(dir, filepath.FromSlash(strings.ReplaceAll(p, "<program>", "*")))
		found, err := filepath.Glob(full)
		if err != nil {
			t.Fatal(err)
		}
		if len(found) == 0 {
			t.Errorf("docs/ARCHITECTURE.md sends readers to %s, which does not exist", p)
		}
	}
}

func TestDocs_Links(t *testing.T) {
	t.Parallel()
	dead, err := DeadLinks(root(t))
	report(t, dead, err)
}

// The checks themselves, on planted breaches.

func TestRules_Check(t *testing.T) {
	t.Parallel()
	rules := Rules{
		Module: "m",
		May: []Line{
			{"top", []string{"core", "leaf/..."}},
			{"core", []string{"leaf/...", "leaf2"}},
			{"leaf/...", nil},
			{"leaf2", []string{"heavy"}},
			{"heavy", nil},
		},
		Never:   []Line{{"top", []string{"heavy", "example.com/driver"}}},
		Only:    []Line{{"example.com/driver", []string{"heavy"}}},
		StdOnly: []string{"leaf/a"},
	}
	clean := []Package{
		{Path: "top", Imports: []string{"fmt", "m/leaf/a"}},
		{Path: "core", Imports: []string{"m/leaf/a", "m/leaf2"}},
		{Path: "leaf/a", Imports: []string{"os"}},
		{Path: "leaf2", Imports: []string{"m/heavy"}},
		{Path: "heavy", Imports: []string{"example.com/driver/sub"}},
	}
	plant := func(extra ...Package) []Package {
		out := append([]Package(nil), clean...)
		for _, p := range extra {
			for i := range out {
				if out[i].Path == p.Path {
					out[i].Imports = append(append([]string(nil), out[i].Imports...), p.Imports...)
					p.Path = ""
					break
				}
			}
			if p.Path != "" {
				out = append(out, p)
			}
		}
		return out
	}

	for name, tc := range map[string]struct {
		packages []Package
		want     []string
	}{
		"clean": {clean, nil},
		"sideways": {
			plant(Package{Path: "core", Imports: []string{"m/top"}}),
			[]string{"core must not import top"},
		},
		"up from a tree": {
			plant(Package{Path: "leaf/a", Imports: []string{"m/core"}}),
			[]string{"leaf/a must not import core", "top must not reach heavy: top -> leaf/a -> core -> leaf2 -> heavy"},
		},
		"allowed directly, forbidden through others": {
			plant(Package{Path: "top", Imports: []string{"m/core"}}),
			[]string{"top must not reach heavy: top -> core -> leaf2 -> heavy"},
		},
		"driver in the wrong place": {
			plant(Package{Path: "core", Imports: []string{"example.com/driver"}}),
			[]string{"core must not import example.com/driver: only heavy may"},
		},
		"driver of a similar name": {
			plant(Package{Path: "core", Imports: []string{"example.com/driver2"}}), nil,
		},
		"third party in a package of the standard library only": {
			plant(Package{Path: "leaf/a", Imports: []string{"example.com/x"}}),
			[]string{"leaf/a imports example.com/x but is limited to the standard library"},
		},
		"new package without a line": {
			plant(Package{Path: "stray"}),
			[]string{"stray: no line in the table of internal/archtest/rules.go says what it may import"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, rules.Check(tc.packages)); diff != "" {
				t.Errorf("breaches (-want +got):\n%s", diff)
			}
		})
	}
}

// The real table must refuse what it was written against.
func TestRepository_RefusesPlantedBreaches(t *testing.T) {
	t.Parallel()
	packages, err := Packages(root(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ from, imports, want string }{
		"the halves meet":                {"supervisor", "pipedai/engine", "supervisor must not import engine"},
		"a core names an adapter":        {"engine", "pipedai/store/postgres", "engine must not import store/postgres"},
		"a pure package reaches for net": {"pipeline", "github.com/google/uuid", "limited to the standard library"},
		"the worker links a driver":      {"worker", "modernc.org/sqlite", "worker must not reach modernc.org/sqlite"},
		"a leaf looks up":                {"internal/cliutil", "pipedai/client", "internal/cliutil must not import client"},
		"somebody imports a program":     {"daemon", "pipedai/cmd/pipeweave/cli", "daemon must not import cmd/pipeweave/cli"},
		"the worker reaches through a leaf": {
			"internal/cliutil", "github.com/jackc/pgx/v5", "must not import github.com/jackc/pgx/v5",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			planted := []Package{{Path: tc.from, Imports: []string{tc.imports}}}
			for _, p := range packages {
				if p.Path == tc.from {
					planted[0].Imports = append(planted[0].Imports, p.Imports...)
				} else {
					planted = append(planted, p)
				}
			}
			got := strings.Join(Repository().Check(planted), "\n")
			if !strings.Contains(got, tc.want) {
				t.Errorf("planting %s in %s gave %q, want %q in it", tc.imports, tc.from, got, tc.want)
			}
		})
	}
}

func TestTablePaths(t *testing.T) {
	t.Parallel()
	const document = "# T\n\n| q | file |\n| --- | --- |\n| a | `x/y.go`, then `z/w/` |\n| b | `cmd/<program>/cli`: `start.go`, `a b` |\n\n| other | `no/no.go` |\n"
	want := []string{"x/y.go", "z/w/", "cmd/<program>/cli"}
	if diff := cmp.Diff(want, TablePaths(document)); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
}

func TestDeadLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("docs/other.md", "# Other\n\n## D1, D2: what `input` is\n")
	write("docs/a.md", "[ok](other.md) [ok](other.md#d1-d2-what-input-is) [web](https://example.com/x)\n"+
		"```\n[not a link](nowhere.md)\n```\n[gone](gone.md) [head](other.md#nope) ![up](../../x.png)\n")
	got, err := DeadLinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"docs/a.md links to gone.md: no such file",
		"docs/a.md links to other.md#nope: no such heading",
		"docs/a.md links to ../../x.png: outside the repository",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("dead links (-want +got):\n%s", diff)
	}
}

func TestLongFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, lines := range map[string]int{"ok.go": maxLines, "long.go": maxLines + 1, "data.txt": 5000} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.Repeat("x\n", lines)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := LongFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || !strings.HasPrefix(got[0], "long.go has 1001 lines") {
		t.Errorf("LongFiles = %q, want only long.go", got)
	}
}

// Every flag and variable is documented, and no other.
func TestDocs_Settings(t *testing.T) {
	t.Parallel()
	settings, err := ReadSettings(root(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(settings.Environment) < 20 || len(settings.Flags) < 30 {
		t.Fatalf("found %d variables and %d flags: the programs were not read", len(settings.Environment), len(settings.Flags))
	}
	differences, err := settings.Undocumented(root(t))
	report(t, differences, err)
}

func TestSettings_Undocumented(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"cmd/pipeweave/cli/a.go": `package cli
func f(getenv func(string) string, flags set) {
	_ = getenv("HOME") + getenv("MODE") + "PIPEDAI_KNOWN="
	flags.StringVar(nil, "known", "", "")
	flags.BoolVarP(nil, "secret", "s", false, "")
}`,
		"docs/configuration.md": "# C\n\n## pipeweave\n\n| `serve --known` | `PIPEDAI_KNOWN` |\n\n## other\n\n`--secret` `PIPEDAI_GONE`\n",
		"docs/tasks.md":         "run `pipeweave serve --gone`\n",
		"README.md":             "",
	} {
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	settings, err := ReadSettings(dir)
	if err != nil {
		t.Fatal(err)
	}
	got, err := settings.Undocumented(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`cmd/pipeweave/cli defines --secret, which neither the section "pipeweave" of docs/configuration.md nor a reference in docs/cli mentions`,
		"cmd/pipeweave/cli/a.go reads or sets MODE, which docs/configuration.md and docs/tasks.md do not mention",
		"docs/configuration.md mentions PIPEDAI_GONE, which no program reads or sets",
		"docs/tasks.md mentions --gone, which no program has",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("differences (-want +got):\n%s", diff)
	}
}
