package adoption

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// launchd has the agents of a person. Older installs wrote one for each
// worker: com.marolence.pipedai-worker.<label>.
type launchd struct {
	dir string
	run Runner
}

func (l *launchd) kind() string { return "launchd" }

func (l *launchd) find() []unit {
	files, err := filepath.Glob(filepath.Join(l.dir, "*.plist"))
	if err != nil {
		return nil
	}
	var out []unit
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil || !info.Mode().IsRegular() || info.Size() > maxUnit {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		if bytes.HasPrefix(data, []byte("bplist")) {
			text, err := l.run(context.Background(), "plutil", "-convert", "xml1", "-o", "-", file)
			if err != nil {
				continue
			}
			data = []byte(text)
		}
		p, err := readPlist(data)
		if err != nil {
			continue
		}
		config, runs := configIn(p.list("ProgramArguments"))
		if !runs {
			continue
		}
		if !filepath.IsAbs(config) {
			config = filepath.Join(p.text("WorkingDirectory"), config)
		}
		name := p.text("Label")
		if name == "" {
			name = strings.TrimSuffix(filepath.Base(file), ".plist")
		}
		out = append(out, unit{
			manager: l, name: name, file: file, configs: []string{filepath.Clean(config)}, permanent: true,
			enabled: p.yes("RunAtLoad") || p.has("KeepAlive"),
		})
	}
	return out
}

// inspect asks for the agent: one that is loaded is listed, with its process
// while it has one.
func (l *launchd) inspect(ctx context.Context, u *unit) {
	out, err := l.run(ctx, "launchctl", "list", u.name)
	if err != nil {
		return
	}
	u.active = true
	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if strings.Trim(key, `" `) == "PID" {
			u.pid, _ = strconv.Atoi(strings.Trim(value, " ;"))
		}
	}
}

func (l *launchd) allowed(unit) error { return nil }

// disable and stop are one order: what is unloaded for good is stopped too.
func (l *launchd) disable(ctx context.Context, u unit) error {
	_, err := l.run(ctx, "launchctl", "unload", "-w", u.file)
	return err
}

func (l *launchd) stop(context.Context, unit) error { return nil }

func (l *launchd) enable(ctx context.Context, u unit) error {
	_, err := l.run(ctx, "launchctl", "load", "-w", u.file)
	return err
}

func (l *launchd) start(ctx context.Context, u unit) error {
	if _, err := l.run(ctx, "launchctl", "list", u.name); err == nil {
		return nil // loading it started it
	}
	return l.enable(ctx, u)
}

func (l *launchd) words(u unit) string { return "launchctl unload -w " + strconv.Quote(u.file) }

// plist is the dictionary of a property list, as far as an agent needs it.
type plist map[string][]string

func (p plist) has(key string) bool { _, ok := p[key]; return ok && !p.no(key) }

func (p plist) no(key string) bool { return len(p[key]) == 1 && p[key][0] == "<false>" }

func (p plist) yes(key string) bool { return len(p[key]) == 1 && p[key][0] == "<true>" }

func (p plist) list(key string) []string { return p[key] }

func (p plist) text(key string) string {
	if len(p[key]) == 0 {
		return ""
	}
	return p[key][0]
}

// readPlist reads the members of the outermost dictionary: strings, booleans
// and lists of strings. Deeper ones are passed over.
func readPlist(data []byte) (plist, error) {
	in := xml.NewDecoder(bytes.NewReader(data))
	out := plist{}
	depth, key := 0, ""
	for {
		token, err := in.Token()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			depth++
			inDict, inList := depth == 3, depth == 4
			switch t.Name.Local {
			case "key", "string":
				var text string
				if err := in.DecodeElement(&text, &t); err != nil {
					return nil, err
				}
				depth--
				switch {
				case t.Name.Local == "key" && inDict:
					key = text
				case t.Name.Local == "string" && (inDict || inList):
					out[key] = append(out[key], text)
				}
			case "true", "false":
				if inDict {
					out[key] = []string{"<" + t.Name.Local + ">"}
				}
			case "dict":
				if inDict { // KeepAlive with conditions
					out[key] = []string{"<dict>"}
					if err := in.Skip(); err != nil {
						return nil, err
					}
					depth--
				}
			}
		case xml.EndElement:
			depth--
		}
	}
}
