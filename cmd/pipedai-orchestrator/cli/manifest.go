package cli

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/daemon"
	"pipedai/internal/cliutil"
	"pipedai/manifest"
)

// backupReport is one line of manifest backups --json. Members are added, never
// renamed.
type backupReport struct {
	Path   string   `json:"path"`
	Schema int64    `json:"schema"`
	At     api.Time `json:"at"`
	Usable bool     `json:"usable"` // by this program
}

// restoredReport is what manifest restore --json prints.
type restoredReport struct {
	Restored string `json:"restored"`
	Replaced string `json:"replaced,omitempty"` // where what was there is now
}

func newManifestCmd(d *deps) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "manifest",
		Short: "Copies of the host's manifest, and how to go back to one",
		Long: `The manifest holds the workers of this host. Before a newer version of the program
changes how it is laid out, it puts a copy aside. An older version that cannot work
with the manifest any more names that copy; restore brings it back. What changed
since is lost with it: workers that were added have to be adopted again.`,
		Example: `  pipedai-orchestrator manifest backups
  pipedai-orchestrator manifest restore`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	asJSON := false
	backups := &cobra.Command{
		Use: "backups", Short: "List the copies, the newest first", Args: cobra.NoArgs,
		Example: "  pipedai-orchestrator manifest backups --json",
		RunE:    func(*cobra.Command, []string) error { return runBackups(d, asJSON) },
	}
	restore := &cobra.Command{
		Use: "restore [file]", Short: "Go back to a copy; the daemon must not run", Args: cobra.MaximumNArgs(1),
		Long: `Puts a copy in the place of the manifest: the one that is named, else the newest
that this program can work with. What was there before is kept beside the copies.
The daemon must not run.`,
		Example: "  pipedai-orchestrator manifest restore",
		RunE: func(cmd *cobra.Command, args []string) error {
			return runRestoreManifest(cmd.Context(), d, args, asJSON)
		},
	}
	cmd.PersistentFlags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.AddCommand(backups, restore)
	return cmd
}

func runBackups(d *deps, asJSON bool) error {
	dir, err := d.dir()
	if err != nil {
		return err
	}
	all, err := manifest.Backups(dir.Manifest())
	if err != nil {
		return d.explainHome(err)
	}
	known := manifest.Known().Version
	reports := make([]backupReport, 0, len(all))
	rows := make([][]string, 0, len(all))
	for _, b := range all {
		r := backupReport{Path: b.Path, Schema: b.Schema, At: api.At(b.At), Usable: b.Schema <= known}
		reports = append(reports, r)
		rows = append(rows, []string{filepath.Base(r.Path), strconv.FormatInt(r.Schema, 10), humanDuration(time.Since(b.At))})
	}
	if asJSON {
		return cliutil.JSON(d.streams.Out, map[string]any{"items": reports})
	}
	if len(rows) == 0 {
		d.notef("There is none: no version has changed the manifest of this host yet.\n")
		return nil
	}
	return cliutil.Table(d.streams.Out, d.streams.Width, []string{"FILE", "SCHEMA", "AGE"}, rows)
}

func runRestoreManifest(ctx context.Context, d *deps, args []string, asJSON bool) error {
	dir, err := d.dir()
	if err != nil {
		return err
	}
	file := ""
	if len(args) == 1 {
		if file, err = filepath.Abs(args[0]); err != nil {
			return err
		}
	} else {
		all, err := manifest.Backups(dir.Manifest())
		if err != nil {
			return d.explainHome(err)
		}
		for _, b := range all {
			if b.Schema <= manifest.Known().Version {
				file = b.Path
				break
			}
		}
		if file == "" {
			return cliutil.Failf(cliutil.ExitFailed, "see what there is: "+d.command("manifest backups"), "there is no copy that this program can work with")
		}
	}
	release, err := daemon.Hold(ctx, dir)
	var running *daemon.RunningError
	if errors.As(err, &running) {
		return cliutil.Fail(cliutil.ExitConflict, err, "end it first: "+d.command("detach")+" leaves the workers running")
	}
	if err != nil {
		return d.explainHome(err)
	}
	defer release()
	replaced, err := manifest.Restore(ctx, dir.Manifest(), file)
	if err != nil {
		return d.explainHome(err)
	}
	if asJSON {
		return cliutil.JSON(d.streams.Out, restoredReport{Restored: file, Replaced: replaced})
	}
	d.printf("The manifest is what it was in %s.\n", file)
	if replaced != "" {
		d.printf("What it was until now is kept in %s.\n", replaced)
	}
	d.printf("Next: %s\n", d.command("start"))
	return nil
}
