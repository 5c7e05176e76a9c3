package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"pipedai/internal/cliutil"
	"pipedai/templates"
)

func newInitCmd(d *deps) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use: "init NAME", Short: "Write a small pipeline to begin with", Args: cobra.ExactArgs(1),
		Long: `Write a small pipeline of two command tasks into a folder of that name: a tasks
file, two scripts and what to type next. Files that are there stay as they are.`,
		Example: "  pipeweave init thumbnails",
		RunE: func(_ *cobra.Command, args []string) error {
			return runInit(d, args[0], first(dir, args[0]))
		},
	}
	cmd.Flags().StringVarP(&dir, "dir", "d", "", "folder to write to (default: one of that name)")
	return cmd
}

// serviceName is what can be a service, a folder and the beginning of a task id.
var serviceName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

func runInit(d *deps, name, dir string) error {
	if !serviceName.MatchString(name) {
		return cliutil.UsageError("%q cannot be a service: use up to 63 of a-z, 0-9, - and _", name)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return cliutil.Fail(cliutil.ExitFailed, err, "choose another folder with --dir")
	}
	starter := templates.Starter()
	err := fs.WalkDir(starter, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(starter, path)
		if err != nil {
			return err
		}
		return d.writeNew(filepath.Join(dir, path), strings.ReplaceAll(string(text), "{{name}}", name))
	})
	if err != nil {
		return cliutil.Fail(cliutil.ExitFailed, err, "choose another folder with --dir")
	}
	url := d.Getenv("PIPEWEAVE_ORCHESTRATOR_URL")
	if home, err := resolveState("", d.Getenv); err == nil && url == "" {
		local, _ := home.running() // most newcomers have none yet
		url = local.URL
	}
	if url == "" {
		url = "http://127.0.0.1:3000"
		if err := d.printf("Next: pipeweave serve\n"); err != nil {
			return err
		}
	}
	return d.printf("Next: pipedai-orchestrator connect --api-url %s --tasks %s\n", url, filepath.Join(dir, "tasks.yaml"))
}

// writeNew writes a file that is not there yet, and says what it did.
func (d *deps) writeNew(path, text string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return d.printf("kept   %s\n", path)
	}
	if err != nil {
		return err
	}
	if _, err := file.WriteString(text); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), file.Close(), os.Remove(path))
	}
	if err := file.Close(); err != nil {
		return err
	}
	return d.printf("wrote  %s\n", path)
}
