package cli

import (
	"os"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/daemon/launch"
	"pipedai/internal/buildinfo"
	"pipedai/internal/cliutil"
	"pipedai/internal/hostdir"
	"pipedai/manifest"
)

func newVersionCmd(d *deps) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Long: `Prints the version of this program, and that of the daemon when an upgrade put
another version in its place.`,
		Example:           "  pipedai-orchestrator version --json",
		ValidArgsFunction: cobra.NoFileCompletions,
		Args:              cobra.NoArgs,
		RunE:              func(*cobra.Command, []string) error { return runVersion(d, asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// versionReport is what version --json prints. Members are added, never
// renamed: an older daemon reads them before it tries this version.
type versionReport struct {
	buildinfo.Info
	launchAbout
	// Daemon is the version that runs as the daemon, when an upgrade put one in
	// the place of this program.
	Daemon *daemonVersion `json:"daemon,omitempty"`
}

// launchAbout is launch.About without its version, which Info has.
type launchAbout struct {
	Trial    int             `json:"trial"`
	Manifest manifest.Schema `json:"manifest"`
}

type daemonVersion struct {
	Version     string   `json:"version"`
	Program     string   `json:"program"`
	ConfirmedAt api.Time `json:"confirmedAt"`
	Previous    string   `json:"previous,omitempty"`
	// Problem says why it is not started.
	Problem string `json:"problem,omitempty"`
}

func runVersion(d *deps, asJSON bool) error {
	report := versionReport{Info: buildinfo.Get(), launchAbout: launchAbout{Trial: launch.Protocol, Manifest: manifest.Known()}}
	if dir, err := d.dir(); err == nil {
		report.Daemon = pinnedVersion(dir)
	}
	if asJSON {
		return cliutil.JSON(d.streams.Out, report)
	}
	d.printf("%s %s\n", program, report.Version)
	switch p := report.Daemon; {
	case p == nil:
	case p.Problem != "":
		d.printf("the daemon was upgraded to %s, but %s; this program runs in its place\n", p.Version, cliutil.Printable(p.Problem))
	default:
		d.printf("the daemon runs %s since its upgrade of %s\n", p.Version, p.ConfirmedAt)
	}
	return nil
}

// pinnedVersion is what runs as the daemon of a home in the place of this
// program; nil when that is this program.
func pinnedVersion(dir hostdir.Dir) *daemonVersion {
	st, err := launch.Read(dir)
	if err != nil || st.Pin == nil || st.Pin.ReplacedBy(buildinfo.Version()) {
		return nil // the daemon says what is wrong, and goes on
	}
	out := &daemonVersion{Version: st.Pin.Version.Version, Program: st.Pin.Program, ConfirmedAt: st.Pin.ConfirmedAt}
	if st.Previous != nil {
		out.Previous = st.Previous.Version.Version
	}
	if _, err := os.Stat(st.Pin.Program); err != nil {
		out.Problem = "its file " + st.Pin.Program + " cannot be read"
	}
	return out
}
