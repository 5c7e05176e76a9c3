package cli

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/internal/cliutil"
	"pipedai/internal/release"
)

type promoteOptions struct {
	remote           remote
	program, version string
	from, to, key    string
	expires          expiry
	json             bool
}

func newPromoteCmd(d *deps) *cobra.Command {
	var o promoteOptions
	cmd := &cobra.Command{
		Use: "promote PROGRAM VERSION", Short: "Publish a version on another channel, byte for byte the same", Args: cobra.ExactArgs(2),
		Long: `Publish a version on another channel. The channel is signed, so this signs again;
the files are the same ones, and nothing is uploaded.`,
		Example: "  pipeweave releases promote pipedai-worker 1.2.0 --from beta --to stable --key release.key",
		RunE: func(cmd *cobra.Command, args []string) error {
			o.program, o.version = args[0], args[1]
			return runPromote(cmd.Context(), d, o)
		},
	}
	o.remote.bind(cmd)
	cmd.Flags().StringVar(&o.from, "from", "", "the channel it is on (default: any that has it)")
	cmd.Flags().StringVar(&o.to, "to", api.DefaultChannel, "the channel it goes to")
	cmd.Flags().StringVar(&o.key, "key", "", "file of the private key, - for standard input ("+releaseKeyVariable+": the key itself)")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	o.expires.bind(cmd)
	return cmd
}

func runPromote(ctx context.Context, d *deps, o promoteOptions) error {
	if err := o.expires.check(); err != nil {
		return err
	}
	if err := release.CheckChannel(o.to); err != nil {
		return cliutil.UsageError("--to: %w", err)
	}
	if o.from == o.to {
		return cliutil.UsageError("--from and --to are the same channel; to sign again, use: pipeweave releases renew")
	}
	s, err := dialSigner(ctx, d, o.remote, o.key)
	if err != nil {
		return err
	}
	source, err := s.source(ctx, o)
	if err != nil {
		return err
	}
	m, err := s.verified(source)
	if err != nil {
		return err
	}
	m.Channel = o.to
	made, signed, err := s.put(ctx, m, o.expires)
	if err != nil {
		return err
	}
	made.Envelope = nil
	if o.json {
		return cliutil.JSON(d.Out, made)
	}
	title := fmt.Sprintf("%s %s", o.program, o.version)
	switch {
	case made.State != api.ReleasePublished:
		return cliutil.Failf(cliutil.ExitConflict, "pipeweave releases show "+title+" --channel "+o.to, "%s on %s is %s", title, o.to, made.State)
	case !signed:
		return d.printf("%s is on %s already.\n", title, o.to)
	}
	return d.printf("%s is on %s, sequence %d, until %s.\n", title, o.to, made.Sequence, made.ExpiresAt)
}

// dialSigner is newSigner for a command's flags.
func dialSigner(ctx context.Context, d *deps, r remote, keyFile string) (*signer, error) {
	key, err := d.privateKey(keyFile)
	if err != nil {
		return nil, err
	}
	c, err := d.connect(r)
	if err != nil {
		return nil, err
	}
	return newSigner(ctx, d, c, key)
}

// source is the release to promote.
func (s *signer) source(ctx context.Context, o promoteOptions) (api.PublishedRelease, error) {
	all, err := s.c.PublishedReleases(ctx, o.program, o.from)
	if err != nil {
		return api.PublishedRelease{}, err
	}
	var found api.PublishedRelease
	for _, p := range all.Items {
		if p.Version == o.version && p.Channel != o.to && p.State != api.ReleasePending && (found.Program == "" || found.State != api.ReleasePublished) {
			found = p
		}
	}
	title := o.program + " " + o.version
	switch {
	case found.Program == "" && o.from != "":
		return found, cliutil.Failf(cliutil.ExitFailed, "see: pipeweave releases list --program "+o.program, "%s is not on %s", title, o.from)
	case found.Program == "":
		return found, cliutil.Failf(cliutil.ExitFailed, "see: pipeweave releases list --program "+o.program, "%s is on no other channel", title)
	case found.State == api.ReleaseYanked:
		return found, cliutil.Failf(cliutil.ExitConflict, "", "%s was yanked: %s", title, cliutil.Printable(found.YankReason))
	}
	return s.c.PublishedRelease(ctx, o.program, o.version, found.Channel)
}

// verified is what was signed. A server is not believed without the signature of
// a key of the history, and that history ends in the key at hand, which nobody
// else could have made it do.
func (s *signer) verified(p api.PublishedRelease) (api.ReleaseManifest, error) {
	at := slices.IndexFunc(s.keys, func(k release.Key) bool { return k.ID() == p.KeyID })
	if at < 0 || p.Envelope == nil {
		return api.ReleaseManifest{}, cliutil.Failf(cliutil.ExitConflict, "publish it again", "%s %s was signed by key %s, which is not in the history", p.Program, p.Version, p.KeyID)
	}
	m, err := release.Open(*p.Envelope, s.keys[at])
	switch {
	case err != nil:
		return m, fmt.Errorf("%s %s on %s: the server shows a release that does not hold: %w", p.Program, p.Version, p.Channel, err)
	case m.Program != p.Program || m.Version != p.Version || m.Channel != p.Channel:
		return m, fmt.Errorf("%s %s on %s: the server shows what was signed for %s %s on %s", p.Program, p.Version, p.Channel, m.Program, m.Version, m.Channel)
	}
	return m, nil
}

// renewWithin is how near the end of a release is when it is time to sign it
// again.
const renewWithin = 30 * 24 * time.Hour

type renewOptions struct {
	remote           remote
	program, version string
	channel, key     string
	within           time.Duration
	expires          expiry
	json             bool
}

func newRenewCmd(d *deps) *cobra.Command {
	var o renewOptions
	cmd := &cobra.Command{
		Use: "renew [PROGRAM [VERSION]]", Short: "Sign again what has expired, will soon, or has the signature of an old key", Args: cobra.MaximumNArgs(2),
		Long: `Sign releases again: those that have expired or will within --within, and those
that an old key signed. A version that is named is signed again in any case. The files
stay as they are. Run it now and then, and after "keys rotate".`,
		Example: "  pipeweave releases renew --key release.key\n  pipeweave releases renew pipedai-worker 1.2.0 --key release.key",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.program = args[0]
			}
			if len(args) > 1 {
				o.version = args[1]
			}
			return runRenew(cmd.Context(), d, o)
		},
	}
	o.remote.bind(cmd)
	cmd.Flags().StringVar(&o.channel, "channel", "", "only on this channel")
	cmd.Flags().StringVar(&o.key, "key", "", "file of the private key, - for standard input ("+releaseKeyVariable+": the key itself)")
	cmd.Flags().DurationVar(&o.within, "within", renewWithin, "what expires within this time is renewed")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	o.expires.bind(cmd)
	return cmd
}

func runRenew(ctx context.Context, d *deps, o renewOptions) error {
	if err := o.expires.check(); err != nil {
		return err
	}
	s, err := dialSigner(ctx, d, o.remote, o.key)
	if err != nil {
		return err
	}
	all, err := s.c.PublishedReleases(ctx, o.program, o.channel)
	if err != nil {
		return err
	}
	slices.Reverse(all.Items) // the lowest sequence first: their order stays
	done := []api.PublishedRelease{}
	for _, p := range all.Items {
		if !o.wants(p, d.now()) {
			continue
		}
		made, err := s.renew(ctx, p, o)
		if err != nil {
			return err
		}
		done = append(done, made)
	}
	switch {
	case o.json:
		return cliutil.JSON(d.Out, api.PublishedReleases{Items: done})
	case len(done) == 0 && o.version != "":
		return cliutil.Failf(cliutil.ExitFailed, "see: pipeweave releases list", "there is no release %s %s to sign again", o.program, o.version)
	case len(done) == 0:
		return d.printf("Nothing has to be signed again.\n")
	}
	return nil
}

// wants reports whether a release is to be signed again.
func (o renewOptions) wants(p api.PublishedRelease, now time.Time) bool {
	switch {
	case p.State == api.ReleaseYanked || p.State == api.ReleasePending:
		return false
	case o.version != "":
		return p.Version == o.version
	}
	return p.State == api.ReleaseExpired || p.State == api.ReleaseOldKey || p.ExpiresAt.Before(now.Add(o.within))
}

// renew signs one again, with the next sequence.
func (s *signer) renew(ctx context.Context, p api.PublishedRelease, o renewOptions) (api.PublishedRelease, error) {
	whole, err := s.c.PublishedRelease(ctx, p.Program, p.Version, p.Channel)
	if err != nil {
		return p, err
	}
	m, err := s.verified(whole)
	if err != nil {
		return p, err
	}
	_, _, next, err := s.find(ctx, m)
	if err != nil {
		return p, err
	}
	made, err := s.sign(ctx, m, next, o.expires)
	if err != nil {
		return p, conflicting(err, "pipeweave releases show "+p.Program+" "+p.Version)
	}
	made.Envelope = nil
	return made, s.say(o.json, "%s %s on %s: sequence %d, until %s.\n", made.Program, made.Version, made.Channel, made.Sequence, made.ExpiresAt)
}
