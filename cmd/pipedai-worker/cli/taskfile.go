package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"pipedai/internal/cliutil"
)

// maxTaskFile bounds a task file.
const maxTaskFile = 1 << 20

// taskFile is a YAML file that says which tasks a worker offers.
type taskFile struct {
	Service  string     `yaml:"service"`
	Version  string     `yaml:"version"`
	Tasks    []fileTask `yaml:"tasks"`
	Programs []string   `yaml:"programs"`
}

// fileTask is a task that is a command.
type fileTask struct {
	ID          string            `yaml:"id"`
	Command     []string          `yaml:"command"`
	Next        []string          `yaml:"next"`
	Timeout     duration          `yaml:"timeout"`
	Retries     *whole            `yaml:"retries"`
	Heartbeat   duration          `yaml:"heartbeat"`
	Concurrency whole             `yaml:"concurrency"`
	Priority    whole             `yaml:"priority"`
	Description string            `yaml:"description"`
	CodeVersion text              `yaml:"codeVersion"`
	Key         []string          `yaml:"idempotencyKey"`
	KeyTTL      duration          `yaml:"idempotencyTTL"`
	Env         map[string]string `yaml:"env"`
}

// text is a YAML scalar taken as it is written: 1.10 is not 1.1.
type text string

func (t *text) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: a text is expected", node.Line)
	}
	*t = text(node.Value)
	return nil
}

// whole is a whole number; a fraction is refused, not cut.
type whole int

func (w *whole) UnmarshalYAML(node *yaml.Node) error {
	n, err := strconv.Atoi(node.Value)
	if err != nil {
		return fmt.Errorf("line %d: a whole number is expected here", node.Line)
	}
	*w = whole(n)
	return nil
}

// duration is written as 90s, 5m or 1h30m.
type duration time.Duration

func (d *duration) UnmarshalYAML(node *yaml.Node) error {
	parsed, err := time.ParseDuration(node.Value)
	if err != nil || parsed <= 0 {
		return fmt.Errorf("line %d: %q is not a duration such as 90s, 5m or 1h30m", node.Line, node.Value)
	}
	*d = duration(parsed)
	return nil
}

// readTaskFile reads and checks one file. Its errors name the file, the line
// where there is one, and what would be right.
func readTaskFile(path string) (taskFile, error) {
	bad := func(fix, format string, args ...any) error {
		return cliutil.Failf(cliutil.ExitUsage, fix, "task file %s: %w", path, fmt.Errorf(format, args...))
	}
	var file taskFile
	data, err := readBounded(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return file, bad("check the \"tasks\" of worker.json", "it does not exist")
	case err != nil:
		return file, bad("", "%w", err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil {
		if errors.Is(err, io.EOF) {
			return file, bad("start with: service: NAME", "it is empty")
		}
		return file, bad("", "%s", yamlProblem(err))
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return file, bad("", "it holds more than one document")
	}
	switch {
	case file.Service == "":
		return file, bad("add: service: NAME", "it names no service")
	case len(file.Tasks) == 0 && len(file.Programs) == 0:
		return file, bad("add tasks: or programs:", "it has neither tasks nor programs")
	}
	for i, task := range file.Tasks {
		switch {
		case task.ID == "":
			return file, bad("", "task %d has no id", i+1)
		case len(task.Command) == 0 || task.Command[0] == "":
			return file, bad("add: command: [\"program\", \"argument\"]", "task %q has no command", task.ID)
		case task.Retries != nil && *task.Retries < 0:
			return file, bad("", "task %q: retries cannot be negative", task.ID)
		}
	}
	return file, nil
}

func readBounded(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxTaskFile+1))
	if err == nil && len(data) > maxTaskFile {
		err = fmt.Errorf("it is larger than %d KiB", maxTaskFile>>10)
	}
	return data, err
}

var (
	unknownKey = regexp.MustCompile(`line (\d+): field (\S+) not found in type cli\.(\w+)`)
	wrongType  = regexp.MustCompile("line (\\d+): cannot unmarshal !!(\\w+) (?:`[^`]*` )?into (\\S+)")
)

// yamlProblem says what is wrong in words of the file, not of the program.
func yamlProblem(err error) string {
	message := err.Error()
	var several *yaml.TypeError
	if errors.As(err, &several) && len(several.Errors) > 0 {
		message = several.Errors[0]
	}
	if m := unknownKey.FindStringSubmatch(message); m != nil {
		return fmt.Sprintf("line %s: unknown key %q; known keys: %s", m[1], m[2], knownKeys[m[3]])
	}
	if m := wrongType.FindStringSubmatch(message); m != nil {
		return fmt.Sprintf("line %s: %s is expected here", m[1], expected(m[3]))
	}
	return strings.TrimPrefix(message, "yaml: ")
}

var knownKeys = map[string]string{
	"taskFile": "service, version, tasks, programs",
	"fileTask": "id, command, next, timeout, retries, heartbeat, concurrency, priority, description, codeVersion, env",
}

func expected(goType string) string {
	switch {
	case strings.HasPrefix(goType, "[]string"):
		return "a list of texts, such as [\"a\", \"b\"]"
	case strings.HasPrefix(goType, "[]"):
		return "a list"
	case goType == "string":
		return "a text"
	default:
		return "a mapping of keys to values"
	}
}
