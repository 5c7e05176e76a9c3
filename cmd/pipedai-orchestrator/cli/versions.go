package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/daemon"
	"pipedai/internal/cliutil"
	"pipedai/manifest"
	"pipedai/upgrade"
)

func newVersionsCmd(d *deps) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use: "versions", Short: "List the installed versions of programs, and remove some",
		Long: `Versions lie beside each other, and each worker runs the one it is pinned to. An
upgrade removes old ones by itself; what is to be returned to, and what a worker
is pinned to, stays.`,
		Example: `  pipedai-orchestrator versions
  pipedai-orchestrator versions remove pipedai-worker 1.2.0`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runVersions(cmd.Context(), d, asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	list := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List them, and those that did not work here",
		Example: `  pipedai-orchestrator versions list --json`, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runVersions(cmd.Context(), d, asJSON) },
	}
	list.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.AddCommand(list, newVersionsRemoveCmd(d))
	return cmd
}

func runVersions(ctx context.Context, d *deps, asJSON bool) error {
	hosts, err := d.recorded(ctx, false)
	if err != nil {
		return err
	}
	out := api.InstalledVersions{Items: []api.InstalledVersion{}, Failed: []api.FailedVersion{}}
	labels := map[string]string{}
	if hosts != nil {
		defer func() { _ = hosts.Close() }()
		entries, err := hosts.Entries(ctx)
		if err != nil {
			return err
		}
		for _, e := range entries {
			labels[e.ID] = e.Label
		}
		if out.Items, err = installedHere(ctx, hosts, entries); err != nil {
			return err
		}
		failed, err := hosts.FailedVersions(ctx)
		if err != nil {
			return err
		}
		for _, f := range failed {
			out.Failed = append(out.Failed, api.FailedVersion{WorkerID: f.Subject, Program: f.Program, Version: f.Version, Reason: f.Reason, FailedAt: api.At(f.FailedAt)})
		}
	}
	if asJSON {
		return cliutil.JSON(d.streams.Out, out)
	}
	return printVersions(d, out, labels)
}

// installedHere is what is installed, with who is to run it.
func installedHere(ctx context.Context, hosts *manifest.Manifest, entries []manifest.Entry) ([]api.InstalledVersion, error) {
	installed, err := hosts.InstalledVersions(ctx, "")
	if err != nil {
		return nil, err
	}
	out := make([]api.InstalledVersion, 0, len(installed))
	for _, v := range installed {
		usedBy := []string{}
		for _, e := range entries {
			if v.Program == api.ProgramWorker && e.Version == v.Version {
				usedBy = append(usedBy, e.ID)
			}
		}
		out = append(out, api.InstalledVersion{
			Program: v.Program, Version: v.Version, Kind: string(v.Kind), Path: v.Path, Reports: v.Reports, SHA256: v.SHA256, Size: v.Size,
			Source: v.Source, Channel: v.Channel, Sequence: v.Sequence, InstalledAt: api.At(v.InstalledAt), UsedAt: api.At(v.UsedAt), UsedBy: usedBy,
		})
	}
	return out, nil
}

func printVersions(d *deps, out api.InstalledVersions, labels map[string]string) error {
	if len(out.Items) == 0 {
		d.printf("No versions are installed: workers run the pipedai-worker that is beside this program, or on the PATH.\n")
	} else {
		rows := make([][]string, 0, len(out.Items))
		for _, v := range out.Items {
			users := make([]string, len(v.UsedBy))
			for i, id := range v.UsedBy {
				users[i] = labels[id]
			}
			rows = append(rows, []string{v.Program, v.Version, v.Kind, humanBytes(v.Size), v.InstalledAt.Local().Format(time.DateOnly), strings.Join(users, ", "), v.Source})
		}
		err := cliutil.FitTable(d.streams.Out, d.streams.Width, []cliutil.Column{{Head: "PROGRAM"}, {Head: "VERSION"}, {Head: "KIND", Spare: 3},
			{Head: "SIZE", Spare: 2}, {Head: "INSTALLED"}, {Head: "RUN BY"}, {Head: "FROM", Spare: 4}}, rows, false)
		if err != nil {
			return err
		}
	}
	if len(out.Failed) == 0 {
		return nil
	}
	rows := make([][]string, 0, len(out.Failed))
	for _, f := range out.Failed {
		who := "this host"
		if f.WorkerID != "" {
			if who = labels[f.WorkerID]; who == "" {
				who = f.WorkerID
			}
		}
		rows = append(rows, []string{f.Program, f.Version, who, f.FailedAt.Local().Format(time.DateOnly), f.Reason})
	}
	d.printf("\nThese did not work, and are not tried again by themselves:\n")
	return cliutil.FitTable(d.streams.Out, d.streams.Width, []cliutil.Column{{Head: "PROGRAM"}, {Head: "VERSION"}, {Head: "FOR"}, {Head: "ON"}, {Head: "WHY"}}, rows, false)
}

func newVersionsRemoveCmd(d *deps) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use: "remove <program> <version>", Aliases: []string{"rm"}, Short: "Remove an installed version",
		Long: `Removes the files of one installed version. One that is in use is not:
what a worker or the daemon runs, what it ran before its last upgrade and goes
back to, and what an upgrade under way has to do with. Upgrade to another version
first.`,
		Example: `  pipedai-orchestrator versions remove pipedai-worker 1.2.0`,
		Args:    cobra.ExactArgs(2), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runVersionsRemove(cmd.Context(), d, args[0], args[1], asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func runVersionsRemove(ctx context.Context, d *deps, name, version string, asJSON bool) error {
	hosts, err := d.recorded(ctx, true)
	if err != nil {
		return err
	}
	defer func() { _ = hosts.Close() }()
	dir, err := d.dir()
	if err != nil {
		return err
	}
	used, err := daemon.VersionsInUse(ctx, hosts, dir, name)
	if err != nil {
		return err
	}
	if err := upgrade.New(upgrade.Options{Dir: dir.Versions(), Records: hosts}).Remove(ctx, name, version, used); err != nil {
		return err
	}
	if asJSON {
		return cliutil.JSON(d.streams.Out, map[string]string{"program": name, "version": version})
	}
	d.printf("Removed %s %s.\n", name, version)
	return nil
}
