package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/internal/cliutil"
)

func newReleasesCmd(d *deps) *cobra.Command {
	cmd := &cobra.Command{
		Use: "releases", Short: "Sign and publish programs for hosts", Args: cobra.NoArgs,
		Long: `Sign and publish the programs that hosts run. The key that signs stays on this
machine; the control plane passes on what is signed, and hosts check it themselves.`,
		Example: `  pipeweave releases keygen release.key
  pipeweave releases keys set --key release.key
  pipeweave releases publish dist --key release.key`,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newKeygenCmd(d), newPublishCmd(d), newReleasesListCmd(d), newReleasesShowCmd(d), newPromoteCmd(d), newRenewCmd(d), newYankCmd(d), newReleaseKeysCmd(d))
	return cmd
}

func newReleasesListCmd(d *deps) *cobra.Command {
	var r remote
	var program, channel string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List releases by program and channel, the newest first", Args: cobra.NoArgs,
		Example: "  pipeweave releases list --program pipedai-worker --channel stable",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := d.connect(r)
			if err != nil {
				return err
			}
			all, err := c.PublishedReleases(cmd.Context(), program, channel)
			if err != nil {
				return err
			}
			if asJSON {
				return cliutil.JSON(d.Out, all)
			}
			if len(all.Items) == 0 {
				return d.printf("No releases. Publish one with: pipeweave releases publish dist --key release.key\n")
			}
			var rows [][]string
			for _, p := range all.Items {
				rows = append(rows, []string{
					p.Program, p.Version, p.Channel, fmt.Sprint(p.Sequence), d.releaseState(p), strings.Join(platforms(p), " "), d.ago(p.PublishedAt),
				})
			}
			return cliutil.Table(d.Out, d.Width, []string{"PROGRAM", "VERSION", "CHANNEL", "SEQ", "STATE", "PLATFORMS", "PUBLISHED"}, rows)
		},
	}
	r.bind(cmd)
	cmd.Flags().StringVar(&program, "program", "", "only of this program")
	cmd.Flags().StringVar(&channel, "channel", "", "only on this channel")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// releaseState is the state of a release, with what an operator may have to do
// about it.
func (d *deps) releaseState(p api.PublishedRelease) string {
	switch left := p.ExpiresAt.Sub(d.now()); {
	case p.State == api.ReleasePending:
		missing := 0
		for _, a := range p.Artifacts {
			if !a.Stored {
				missing++
			}
		}
		return fmt.Sprintf("pending, %d of %d missing", missing, len(p.Artifacts))
	case p.State == api.ReleasePublished && left < renewWithin:
		return fmt.Sprintf("published, expires in %d days", int(left.Hours()/24))
	}
	return p.State
}

func platforms(p api.PublishedRelease) (out []string) {
	for _, a := range p.Artifacts {
		out = append(out, a.OS+"/"+a.Arch)
	}
	return out
}

func newReleasesShowCmd(d *deps) *cobra.Command {
	var r remote
	var channel string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "show PROGRAM [VERSION]", Short: "Show a release and its artifacts; without a version the newest one", Args: cobra.RangeArgs(1, 2),
		Example: "  pipeweave releases show pipedai-worker 1.2.0",
		RunE: func(cmd *cobra.Command, args []string) error {
			version := api.LatestVersion
			if len(args) > 1 {
				version = args[1]
			}
			c, err := d.connect(r)
			if err != nil {
				return err
			}
			p, err := c.PublishedRelease(cmd.Context(), args[0], version, channel)
			if err != nil {
				return named(err, "release", args[0]+" "+version, "pipeweave releases list")
			}
			if asJSON {
				return cliutil.JSON(d.Out, p)
			}
			return d.showRelease(p)
		},
	}
	r.bind(cmd)
	cmd.Flags().StringVar(&channel, "channel", "", "the channel (default: stable, or any that has the version)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (d *deps) showRelease(p api.PublishedRelease) error {
	err := d.printf("%s %s on %s, %s\n  Signed:   by key %s, sequence %d, %s\n  Until:    %s\n", p.Program, p.Version, p.Channel, d.releaseState(p),
		p.KeyID, p.Sequence, d.ago(p.CreatedAt), p.ExpiresAt)
	if err == nil && !p.YankedAt.IsZero() {
		err = d.printf("  Yanked:   %s by %s: %s\n", d.ago(p.YankedAt), p.YankedBy, cliutil.Printable(p.YankReason))
	}
	if err == nil && p.Notes != "" {
		err = d.printf("  Notes:    %s\n", strings.ReplaceAll(cliutil.Printable(p.Notes), "\n", "\n            "))
	}
	if err != nil {
		return err
	}
	var rows [][]string
	for _, a := range p.Artifacts {
		state := "stored"
		if !a.Stored {
			state = "missing"
		}
		rows = append(rows, []string{a.OS + "/" + a.Arch, a.Name, bytesText(a.Size), a.SHA256[:12], state})
	}
	return cliutil.Table(d.Out, d.Width, []string{"PLATFORM", "FILE", "SIZE", "SHA-256", "STATE"}, rows)
}

// bytesText is a size for people.
func bytesText(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}

type yankOptions struct {
	remote           remote
	program, version string
	reason, channel  string
	json             bool
}

func newYankCmd(d *deps) *cobra.Command {
	var o yankOptions
	cmd := &cobra.Command{
		Use: "yank PROGRAM VERSION", Short: "Take a version back: nobody installs it any more", Args: cobra.ExactArgs(2),
		Long: `Take a version back, from every channel or from one. Nobody installs it any more;
hosts that run it go on. There is no way back: publish a higher version.`,
		Example: "  pipeweave releases yank pipedai-worker 1.2.0 --reason \"crashes on empty documents\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			o.program, o.version = args[0], args[1]
			return runYank(cmd.Context(), d, o)
		},
	}
	o.remote.bind(cmd)
	cmd.Flags().StringVar(&o.reason, "reason", "", "why; hosts show it")
	cmd.Flags().StringVar(&o.channel, "channel", "", "only from this channel (default: from all)")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	_ = cmd.MarkFlagRequired("reason") // the flag is there
	return cmd
}

func runYank(ctx context.Context, d *deps, o yankOptions) error {
	if strings.TrimSpace(o.reason) == "" {
		return cliutil.UsageError("--reason is empty; hosts show it to their owners")
	}
	c, err := d.connect(o.remote)
	if err != nil {
		return err
	}
	gone, err := c.YankRelease(ctx, o.program, o.version, api.YankRequest{Reason: o.reason, Channel: o.channel})
	if err != nil {
		return named(err, "release", o.program+" "+o.version, "pipeweave releases list")
	}
	if o.json {
		return cliutil.JSON(d.Out, gone)
	}
	for _, p := range gone.Items {
		if err := d.printf("%s %s on %s is yanked: %s\n", p.Program, p.Version, p.Channel, cliutil.Printable(p.YankReason)); err != nil {
			return err
		}
	}
	// What follows it is what hosts are told from now on.
	if next, err := c.PublishedRelease(ctx, o.program, api.LatestVersion, first(o.channel, api.DefaultChannel)); err == nil {
		return d.printf("The newest on %s is %s now.\n", next.Channel, next.Version)
	} else if refused := (*api.Error)(nil); errors.As(err, &refused) && refused.Status == http.StatusNotFound {
		return d.printf("There is no other release of %s on %s.\n", o.program, first(o.channel, api.DefaultChannel))
	}
	return nil // it is yanked, which is what was asked for
}

// expiry is how long what is signed may be installed.
type expiry struct{ after time.Duration }

// expiresIn is the default of --expires-in: long enough to forget about it
// between two releases, short enough to end what was forgotten for good.
const expiresIn = 365 * 24 * time.Hour

func (e *expiry) bind(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&e.after, "expires-in", expiresIn, "how long hosts may install it, such as 2160h")
}

func (e *expiry) check() error {
	if e.after < time.Minute {
		return cliutil.UsageError("--expires-in is %s; a minute is the least", e.after)
	}
	return nil
}
