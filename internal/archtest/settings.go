package archtest

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Settings are what people can set, as the sources of the programs have it.
type Settings struct {
	// Environment holds the variables, each with a file that names it.
	Environment map[string]string
	// Flags holds the long flags, each with the folders that define it.
	Flags map[string][]string
}

var (
	ownVariable   = regexp.MustCompile(`^(?:PIPEDAI|PIPEWEAVE)_[A-Z_]*[A-Z]$`)
	defineFlag    = regexp.MustCompile(`^(?:String|StringArray|StringSlice|Bool|Int|Int64|Uint|Float64|Duration|Count)(?:Var)?P?$`)
	documented    = regexp.MustCompile("`([A-Z][A-Z0-9_]+)`")
	longFlag      = regexp.MustCompile(`(?:^|[\s` + "`" + `])--([a-z][a-z-]*[a-z])`)
	ofTheSystem   = []string{"DISPLAY", "WAYLAND_DISPLAY", "SSH_CONNECTION", "SUDO_USER", "XDG_RUNTIME_DIR", "HOME", "USERPROFILE", "LOCALAPPDATA", "XDG_STATE_HOME", "TERM", "ANTHROPIC_API_KEY"}
	ofTheMakefile = []string{"INPUT", "DASHBOARD_PORT", "VERSION", "CHROMIUM", "DEBIAN_MIRROR", "ALL", "PATH"}
)

// ReadSettings finds them: variables are string literals with one of our
// prefixes or the argument of a Getenv, flags are definitions in the way of
// pflag; a table of settings has both in its rows.
func ReadSettings(root string) (Settings, error) {
	s := Settings{Environment: map[string]string{}, Flags: map[string][]string{}}
	err := Files(root, func(name string) error {
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "internal/archtest/") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, filepath.FromSlash(name)), nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BasicLit:
				if text := strings.TrimSuffix(literal(n), "="); ownVariable.MatchString(text) {
					s.Environment[text] = name
				}
			case *ast.CallExpr:
				s.call(n, name)
			case *ast.CompositeLit:
				s.row(n, name)
			}
			return true
		})
		return nil
	})
	return s, err
}

func (s Settings) call(n *ast.CallExpr, file string) {
	var called string
	switch fun := n.Fun.(type) {
	case *ast.Ident:
		called = fun.Name
	case *ast.SelectorExpr:
		called = fun.Sel.Name
	}
	switch {
	case strings.EqualFold(called, "getenv") && len(n.Args) == 1:
		if text := literal(n.Args[0]); text != "" && !slices.Contains(ofTheSystem, text) {
			s.Environment[text] = file
		}
	case defineFlag.MatchString(called) && len(n.Args) >= 3:
		name := literal(n.Args[0])
		if name == "" {
			name = literal(n.Args[1])
		}
		s.flag(name, file)
	}
}

func (s Settings) flag(name, file string) {
	if dir := filepath.ToSlash(filepath.Dir(file)); name != "" && !slices.Contains(s.Flags[name], dir) {
		s.Flags[name] = append(s.Flags[name], dir)
	}
}

// row reads a line of a table of settings: a literal with the members flag and
// env.
func (s Settings) row(n *ast.CompositeLit, file string) {
	for _, element := range n.Elts {
		pair, ok := element.(*ast.KeyValueExpr)
		if !ok {
			return
		}
		member, ok := pair.Key.(*ast.Ident)
		if !ok {
			return
		}
		switch value := pair.Value.(type) {
		case *ast.BasicLit:
			if strings.EqualFold(member.Name, "flag") {
				s.flag(literal(value), file)
			}
		case *ast.CompositeLit:
			for _, item := range value.Elts {
				if text := literal(item); strings.EqualFold(member.Name, "env") && text != "" {
					s.Environment[text] = file
				}
			}
		}
	}
}

// literal returns the value of a string literal, else nothing.
func literal(n ast.Expr) string {
	if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
		if text, err := strconv.Unquote(lit.Value); err == nil {
			return text
		}
	}
	return ""
}

// sections says which section of docs/configuration.md has the flags of which
// folder.
var sections = map[string]string{
	"cmd/pipeweave/cli":            "pipeweave",
	"cmd/pipedai-orchestrator/cli": "pipedai-orchestrator",
	"cmd/pipedai-worker/cli":       "pipedai-worker",
	"worker":                       "pipedai-worker",
}

// Undocumented compares the settings with the documents, both ways, and
// returns a sentence for each difference.
func (s Settings) Undocumented(root string) ([]string, error) {
	read := func(name string) (string, error) {
		data, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		return string(data), err
	}
	configuration, err := read("docs/configuration.md")
	if err != nil {
		return nil, err
	}
	tasks, err := read("docs/tasks.md")
	if err != nil {
		return nil, err
	}
	readme, err := read("README.md")
	if err != nil {
		return nil, err
	}
	var out []string
	for name, file := range s.Environment {
		if !strings.Contains(configuration+tasks, "`"+name) {
			out = append(out, fmt.Sprintf("%s reads or sets %s, which docs/configuration.md and docs/tasks.md do not mention", file, name))
		}
	}
	bySection, err := flagDocuments(root, configuration)
	if err != nil {
		return nil, err
	}
	for name, dirs := range s.Flags {
		for _, dir := range dirs {
			if section, known := sections[dir]; known && !slices.Contains(flagsIn(bySection[section]), name) {
				out = append(out, fmt.Sprintf("%s defines --%s, which neither the section %q of docs/configuration.md nor a reference in docs/cli mentions", dir, name, section))
			}
		}
	}
	for file, text := range map[string]string{"README.md": readme, "docs/configuration.md": configuration, "docs/tasks.md": tasks} {
		for _, found := range documented.FindAllStringSubmatch(text, -1) {
			name := found[1]
			_, known := s.Environment[name]
			if strings.Contains(name, "_") && !known && !slices.Contains(ofTheSystem, name) && !slices.Contains(ofTheMakefile, name) {
				out = append(out, fmt.Sprintf("%s mentions %s, which no program reads or sets", file, name))
			}
		}
		for _, name := range flagsIn(text) {
			if s.Flags[name] == nil && name != "help" && name != "version" {
				out = append(out, fmt.Sprintf("%s mentions --%s, which no program has", file, name))
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// flagDocuments are what documents the flags of each section: the section of
// docs/configuration.md, and the generated reference where there is one.
func flagDocuments(root, configuration string) (map[string]string, error) {
	out := Sections(configuration)
	for _, section := range sections {
		generated, err := os.ReadFile(filepath.Join(root, "docs", "cli", section+".md"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		out[section] += string(generated)
	}
	return out, nil
}

func flagsIn(text string) []string {
	var out []string
	for _, found := range longFlag.FindAllStringSubmatch(text, -1) {
		out = append(out, found[1])
	}
	return out
}

// Sections splits a Markdown document at its second-level headings.
func Sections(document string) map[string]string {
	out := map[string]string{}
	for _, part := range strings.Split(document, "\n## ")[1:] {
		title, text, _ := strings.Cut(part, "\n")
		out[strings.TrimSpace(title)] = text
	}
	return out
}
