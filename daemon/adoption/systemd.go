package adoption

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// systemd is the manager of the machine, or that of a person.
type systemd struct {
	dirs    []string // the first that has a unit of a name wins
	user    bool
	running bool
	run     Runner
}

func (s *systemd) kind() string {
	if s.user {
		return "systemd-user"
	}
	return "systemd"
}

// maxUnit bounds a unit file that is looked at.
const maxUnit = 256 << 10

// find reads unit files itself: that works without the manager, and without
// asking about every unit of the machine.
func (s *systemd) find() []unit {
	seen := map[string]bool{}
	instances := s.instances()
	var out []unit
	for _, dir := range s.dirs {
		files, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, f := range files {
			name := f.Name()
			if !strings.HasSuffix(name, ".service") || seen[name] {
				continue
			}
			seen[name] = true
			text := s.text(dir, name)
			if !bytes.Contains(text, []byte("-config")) {
				continue
			}
			names := []string{name}
			if prefix, isTemplate := strings.CutSuffix(name, "@.service"); isTemplate {
				names = instances[prefix]
			}
			for _, n := range names {
				if configs := s.configs(text, n); len(configs) > 0 {
					out = append(out, unit{manager: s, name: n, file: filepath.Join(dir, name), configs: configs})
				}
			}
		}
	}
	return out
}

// text is a unit with its drop-ins.
func (s *systemd) text(dir, name string) []byte {
	read := func(path string) []byte {
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() || info.Size() > maxUnit {
			return nil // masked ones are links to /dev/null
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return nil
		}
		return append(data, '\n')
	}
	out := read(filepath.Join(dir, name))
	for _, d := range s.dirs {
		parts, err := filepath.Glob(filepath.Join(d, name+".d", "*.conf"))
		if err != nil {
			continue
		}
		for _, part := range parts {
			out = append(out, read(part)...)
		}
	}
	return out
}

// instances are those of templates that somebody enabled, by prefix.
func (s *systemd) instances() map[string][]string {
	out := map[string][]string{}
	for _, dir := range s.dirs {
		for _, pattern := range []string{"*.wants", "*.requires"} {
			links, err := filepath.Glob(filepath.Join(dir, pattern, "*@?*.service"))
			if err != nil {
				continue
			}
			for _, link := range links {
				name := filepath.Base(link)
				prefix, _, _ := strings.Cut(name, "@")
				if !slices.Contains(out[prefix], name) {
					out[prefix] = append(out[prefix], name)
				}
			}
		}
	}
	return out
}

// configs are the files of the workers that a unit's text runs.
func (s *systemd) configs(text []byte, name string) []string {
	var commands []string
	folder, person := "/", ""
	joined := strings.ReplaceAll(string(text), "\\\n", " ")
	for line := range strings.Lines(joined) {
		key, value, found := strings.Cut(strings.TrimSpace(line), "=")
		if !found || strings.HasPrefix(key, "#") || strings.HasPrefix(key, ";") {
			continue
		}
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(key) {
		case "ExecStart":
			if value == "" {
				commands = nil // it takes back those before it
			} else {
				commands = append(commands, value)
			}
		case "WorkingDirectory":
			folder = strings.TrimPrefix(value, "-")
		case "User":
			person = value
		}
	}
	home := s.home(person)
	expand := s.specifiers(name, home)
	if folder == "~" {
		folder = home
	}
	var out []string
	for _, command := range commands {
		config, runs := configIn(splitWords(expand.Replace(strings.TrimLeft(command, "@-:+!|"))))
		if !runs {
			continue
		}
		if !filepath.IsAbs(config) {
			config = filepath.Join(expand.Replace(folder), config)
		}
		out = append(out, filepath.Clean(config))
	}
	return out
}

// configIn looks for a worker's command line in words, and in those of a shell
// that one of them is.
func configIn(words []string) (string, bool) {
	if config, found := configOf(words); found {
		return config, true
	}
	for _, word := range words {
		if strings.Contains(word, "-config") && strings.ContainsAny(word, " \t") {
			if config, found := configOf(append([]string{""}, splitWords(word)...)); found {
				return strings.TrimRight(config, ";&"), true
			}
		}
	}
	return "", false
}

// home is the home of whoever a unit runs as.
func (s *systemd) home(person string) string {
	if s.user {
		if home, err := os.UserHomeDir(); err == nil {
			return home
		}
	}
	if person == "" {
		return "/root"
	}
	u, err := user.Lookup(person)
	if err != nil {
		u, err = user.LookupId(person)
	}
	if err != nil {
		return "/"
	}
	return u.HomeDir
}

// specifiers resolves what systemd does in the text of a unit. %h and %u are
// about whoever runs the manager, whatever User= says; $HOME is about the unit.
func (s *systemd) specifiers(name, home string) *strings.Replacer {
	full := strings.TrimSuffix(name, ".service")
	prefix, instance, _ := strings.Cut(full, "@")
	manager := "root"
	if s.user {
		if u, err := user.Current(); err == nil {
			manager = u.Username
		}
	}
	return strings.NewReplacer("%%", "%", "%h", s.home(""), "%u", manager, "%i", instance, "%I", unescape(instance),
		"%p", prefix, "%P", unescape(prefix), "%n", name, "%N", full, "${HOME}", home, "$HOME", home)
}

// unescape reads a name as systemd-escape wrote it.
func unescape(text string) string {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '-':
			out.WriteByte('/')
		case text[i] == '\\' && i+3 < len(text) && text[i+1] == 'x':
			if n, err := strconv.ParseUint(text[i+2:i+4], 16, 8); err == nil {
				out.WriteByte(byte(n))
				i += 3
				continue
			}
			out.WriteByte(text[i])
		default:
			out.WriteByte(text[i])
		}
	}
	return out.String()
}

// splitWords splits a command line by the rules that systemd and shells share:
// blanks separate, both quotes group, a backslash takes what follows.
func splitWords(line string) []string {
	var words []string
	var word strings.Builder
	inWord, quote := false, byte(0)
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case c == '\\' && quote != '\'' && i+1 < len(line):
			i++
			inWord = true
			switch line[i] {
			case 's':
				word.WriteByte(' ')
			case 't':
				word.WriteByte('\t')
			default:
				word.WriteByte(line[i])
			}
		case quote != 0:
			word.WriteByte(c)
		case c == '"' || c == '\'':
			quote, inWord = c, true
		case c == ' ' || c == '\t':
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	return words
}

func (s *systemd) systemctl(ctx context.Context, args ...string) (string, error) {
	if s.user {
		args = append([]string{"--user"}, args...)
	}
	return s.run(ctx, "systemctl", args...)
}

// inspect asks the manager; where none runs, the links tell what would start.
func (s *systemd) inspect(ctx context.Context, u *unit) {
	u.enabled, u.permanent = s.linked(u.name), u.file != "" && !strings.HasPrefix(u.file, "/run/")
	if !s.running {
		return
	}
	out, err := s.systemctl(ctx, "show", "--property=ActiveState,UnitFileState,MainPID,TriggeredBy,FragmentPath", "--", u.name)
	if err != nil {
		return
	}
	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch key {
		case "ActiveState":
			u.active = value != "inactive" && value != "failed" && value != ""
		case "UnitFileState":
			if value != "" {
				u.enabled = value == "enabled" || value == "enabled-runtime"
			}
			u.permanent = u.permanent && value != "transient" && value != "generated"
		case "MainPID":
			u.pid, _ = strconv.Atoi(value)
		case "TriggeredBy":
			u.startedBy = strings.Fields(value)
		case "FragmentPath":
			if u.file == "" {
				u.file = value
			}
		}
	}
}

// linked reports whether something that is started at boot wants a unit.
func (s *systemd) linked(name string) bool {
	for _, dir := range s.dirs {
		for _, kind := range []string{"*.wants", "*.requires"} {
			if found, err := filepath.Glob(filepath.Join(dir, kind, escapeGlob(name))); err == nil && len(found) > 0 {
				return true
			}
		}
	}
	return false
}

func escapeGlob(name string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(name)
}

func (s *systemd) allowed(u unit) error {
	if !s.user && os.Geteuid() != 0 {
		return fmt.Errorf("the unit %s is the machine's: %w", u.name, errNotAllowed)
	}
	return nil
}

func (s *systemd) disable(ctx context.Context, u unit) error {
	if !u.permanent {
		return nil
	}
	_, err := s.systemctl(ctx, "disable", "--", u.name)
	return err
}

func (s *systemd) stop(ctx context.Context, u unit) error {
	if !s.running {
		return nil
	}
	_, err := s.systemctl(ctx, "stop", "--no-block", "--", u.name)
	return err
}

func (s *systemd) enable(ctx context.Context, u unit) error {
	if !u.permanent {
		return nil
	}
	_, err := s.systemctl(ctx, "enable", "--", u.name)
	return err
}

func (s *systemd) start(ctx context.Context, u unit) error {
	if !s.running {
		return nil
	}
	_, err := s.systemctl(ctx, "start", "--", u.name)
	return err
}

func (s *systemd) words(u unit) string {
	if s.user {
		return "systemctl --user disable --now " + u.name
	}
	return "sudo systemctl disable --now " + u.name
}
