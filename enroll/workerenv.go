package enroll

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"pipedai/internal/atomicfile"
	"pipedai/internal/hostdir"
	"pipedai/internal/secret"
)

// WorkerEnvFile is the file beside a worker.json that holds the variables of
// its environment that are secret.
func WorkerEnvFile(configPath string) string {
	return strings.TrimSuffix(configPath, ".json") + ".env"
}

// ReadWorkerEnv reads the secret variables of the worker whose worker.json is
// configPath; none when there is no file.
func ReadWorkerEnv(configPath string) (map[string]secret.Text, error) {
	if err := hostdir.Plain(WorkerEnvFile(configPath)); err != nil {
		return nil, fmt.Errorf("read secret variables: %w", err)
	}
	data, err := os.ReadFile(WorkerEnvFile(configPath))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read secret variables: %w", err)
	}
	env, err := ParseEnv(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", WorkerEnvFile(configPath), err)
	}
	return env, nil
}

// ChangeWorkerEnv sets secret variables, and takes those out that are nil. The
// file is the owner's alone, and goes with its last variable.
func ChangeWorkerEnv(configPath string, change map[string]*string) error {
	path := WorkerEnvFile(configPath)
	if err := plain(path, path+".lock"); err != nil {
		return fmt.Errorf("write secret variables: %w", err)
	}
	left := 0
	err := atomicfile.Update(path, 0o600, func(old []byte) ([]byte, error) {
		env, err := ParseEnv(old)
		if err != nil {
			return nil, err
		}
		if env == nil {
			env = map[string]secret.Text{}
		}
		for name, value := range change {
			if value == nil {
				delete(env, name)
			} else {
				env[name] = secret.Text(*value)
			}
		}
		left = len(env)
		return formatEnv(env), nil
	})
	if err == nil && left == 0 {
		err = RemoveWorkerEnv(configPath)
	}
	if err != nil {
		return fmt.Errorf("write secret variables: %w", err)
	}
	return nil
}

// RemoveWorkerEnv removes the secret variables of a worker that is gone.
func RemoveWorkerEnv(configPath string) error {
	path := WorkerEnvFile(configPath)
	var errs []error
	for _, name := range []string{path, path + ".lock"} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// ParseEnv reads lines of NAME=value. Blank lines and those that begin with #
// are left out, "export " before a name too. A value in double quotes is read
// as Go and JSON read it, one in single quotes as it stands; any other ends
// with its line. Errors name the line and never a value.
func ParseEnv(data []byte) (map[string]secret.Text, error) {
	var env map[string]secret.Text
	for i, raw := range bytes.Split(data, []byte("\n")) {
		line := strings.TrimSpace(string(raw))
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ok || name == "" {
			return nil, fmt.Errorf("line %d is not NAME=value", i+1)
		}
		switch {
		case strings.HasPrefix(value, `"`):
			text, err := strconv.Unquote(value)
			if err != nil {
				return nil, fmt.Errorf("line %d: the quotes of %s do not close, or hold something that is no escape", i+1, name)
			}
			value = text
		case strings.HasPrefix(value, "'"):
			if len(value) < 2 || !strings.HasSuffix(value, "'") {
				return nil, fmt.Errorf("line %d: the quotes of %s do not close", i+1, name)
			}
			value = value[1 : len(value)-1]
		}
		if env == nil {
			env = map[string]secret.Text{}
		}
		env[name] = secret.Text(value)
	}
	return env, nil
}

func formatEnv(env map[string]secret.Text) []byte {
	names := make([]string, 0, len(env))
	for name := range env {
		names = append(names, name)
	}
	slices.Sort(names)
	out := []byte("# Secret variables of the worker's environment: NAME=\"value\"\n")
	for _, name := range names {
		out = append(out, name+"="+strconv.Quote(env[name].Reveal())+"\n"...)
	}
	return out
}
