// Package settings decides what a program is set to: a flag wins over the
// environment, that over the configuration file, that over the default; and
// every value knows where it comes from.
package settings

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// Setting is one thing a person can choose, with every place where it may be
// said.
type Setting struct {
	Key     string   // its name in the configuration file
	Flag    string   // empty: none
	Env     []string // the first that is set counts
	Default string
	Kind    Kind
	NoFile  bool // it decides where the file is, or is nothing to write down
	Usage   string
	// Check says what is wrong with a value; nil takes any.
	Check func(value string) error
}

// Kind is the form of a value.
type Kind int

// The kinds.
const (
	Text   Kind = iota
	Toggle      // true or false
)

// Table is every setting of a program, in the order in which they are shown.
type Table []Setting

// Find returns the setting of a key.
func (t Table) Find(key string) (Setting, bool) {
	i := slices.IndexFunc(t, func(s Setting) bool { return s.Key == key })
	if i < 0 {
		return Setting{}, false
	}
	return t[i], true
}

// Keys are the settings that the configuration file may have.
func (t Table) Keys() []string {
	var keys []string
	for _, s := range t {
		if !s.NoFile {
			keys = append(keys, s.Key)
		}
	}
	return keys
}

// Bind adds the flags of a table.
func (t Table) Bind(flags *pflag.FlagSet) {
	for _, s := range t {
		usage := s.Usage
		said := slices.Clone(s.Env)
		if s.Default != "" && s.Kind != Toggle {
			said = append(said, "default "+s.Default)
		}
		if len(said) > 0 {
			usage += " (" + strings.Join(said, "; ") + ")"
		}
		switch {
		case s.Flag == "" || flags.Lookup(s.Flag) != nil:
		case s.Kind == Toggle:
			flags.Bool(s.Flag, false, usage)
		default:
			flags.String(s.Flag, "", usage)
		}
	}
}

// Choice is what was chosen for a setting, and where.
type Choice struct {
	Setting
	Value  string
	Origin string // "flag --port", "environment PIPEDAI_PORT", "file /etc/p.yaml" or "default"
}

// On reports whether a toggle is on.
func (c Choice) On() bool { return c.Value == "true" }

// Choices are the settings of a table, decided.
type Choices map[string]Choice

// Resolve decides every setting of a table. file is the configuration file,
// data its content; no data is an empty file. It reports all that is wrong at
// once, each with the place where it was said, and what it could decide.
func (t Table) Resolve(flags *pflag.FlagSet, getenv func(string) string, file string, data []byte) (Choices, error) {
	out := Choices{}
	var problems []error
	for _, s := range t {
		c, name := s.choose(flags, getenv)
		problems = append(problems, c.settle(name))
		out[s.Key] = c
	}
	return out, errors.Join(append(problems, out.read(file, data))...)
}

// choose looks at the flag and the environment; name is how the person called
// the setting there.
func (s Setting) choose(flags *pflag.FlagSet, getenv func(string) string) (c Choice, name string) {
	if flag := flags.Lookup(s.Flag); flag != nil && flag.Changed {
		return Choice{s, flag.Value.String(), "flag --" + s.Flag}, "--" + s.Flag
	}
	for _, name := range s.Env {
		if value := getenv(name); value != "" {
			return Choice{s, value, "environment " + name}, name
		}
	}
	return Choice{s, s.Default, "default"}, s.Key
}

// settle normalises and checks the value.
func (c *Choice) settle(name string) error {
	value, err := c.normal(c.Value)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	c.Value = value
	return nil
}

// normal is a value as it is kept; the error says what is wrong with it.
func (s Setting) normal(value string) (string, error) {
	if s.Kind == Toggle {
		on, err := strconv.ParseBool(value)
		if err != nil {
			return value, fmt.Errorf("%.60q is neither true nor false", value)
		}
		return strconv.FormatBool(on), nil
	}
	if s.Check != nil {
		return value, s.Check(value)
	}
	return value, nil
}

// read fills in what the configuration file says of settings that have their
// default.
func (all Choices) read(file string, data []byte) error {
	var said map[string]any
	if err := yaml.Unmarshal(data, &said); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	var problems []error
	for _, key := range slices.Sorted(maps.Keys(said)) {
		c, known := all[key]
		if !known || c.NoFile {
			problems = append(problems, fmt.Errorf("%s: there is no setting %.60q", file, key))
			continue
		}
		value, err := fileValue(said[key])
		next := Choice{c.Setting, value, "file " + file}
		if err == nil {
			err = next.settle(key)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", file, err))
		} else if c.Origin == "default" {
			all[key] = next
		}
	}
	return errors.Join(problems...)
}

// fileValue is a value of the file as flags and environment spell it.
func fileValue(value any) (string, error) {
	switch v := value.(type) {
	case nil:
		return "", errors.New("has no value")
	case string:
		return v, nil
	case bool, int, int64, uint64, float64:
		return fmt.Sprint(v), nil
	}
	text, err := json.Marshal(value)
	return string(text), err
}
