package cli

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/enroll"
	"pipedai/internal/cliutil"
	"pipedai/internal/release"
	"pipedai/manifest"
)

func newKeysCmd(d *deps) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use: "keys", Short: "Show whose releases this host believes, and change that",
		Long: `A host installs only releases that are signed by the key it trusts for their
control plane. It learns that key when it connects, or, where it connected before
there was one, the first time it looks for a release. From then on it follows only
a change that the trusted key itself has signed.`,
		Example: `  pipedai-orchestrator keys
  pipedai-orchestrator keys trust https://api.example.com prk_...`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runKeys(cmd.Context(), d, asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	list := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the keys, those that were given up too",
		Example: `  pipedai-orchestrator keys list`, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runKeys(cmd.Context(), d, asJSON) },
	}
	list.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.AddCommand(list, newKeysTrustCmd(d), newKeysResetCmd(d))
	return cmd
}

// recorded opens the manifest of this host. What only reads has nothing to read
// where there is none; then it is nil.
func (d *deps) recorded(ctx context.Context, create bool) (*manifest.Manifest, error) {
	dir, err := d.dir()
	if err != nil {
		return nil, err
	}
	if !create && !exists(dir.Manifest()) && !exists(dir.LegacyManifest()) {
		return nil, nil
	}
	if create {
		if err := dir.Make(); err != nil {
			return nil, d.explainHome(err)
		}
	}
	hosts, err := manifest.Open(ctx, dir.Manifest())
	return hosts, d.explainHome(err)
}

func runKeys(ctx context.Context, d *deps, asJSON bool) error {
	hosts, err := d.recorded(ctx, false)
	if err != nil {
		return err
	}
	out := api.TrustedKeys{Items: []api.TrustedKey{}, Seen: []api.SeenRelease{}}
	if hosts != nil {
		defer func() { _ = hosts.Close() }()
		keys, err := hosts.ReleaseKeys(ctx)
		if err != nil {
			return err
		}
		for _, k := range keys {
			out.Items = append(out.Items, wireKey(k))
		}
		seen, err := hosts.SeenSequences(ctx)
		if err != nil {
			return err
		}
		for _, s := range seen {
			out.Seen = append(out.Seen, api.SeenRelease{APIURL: s.APIURL, Program: s.Program, Channel: s.Channel, Sequence: s.Sequence, Version: s.Version, SeenAt: api.At(s.SeenAt)})
		}
	}
	if asJSON {
		return cliutil.JSON(d.streams.Out, out)
	}
	return printKeys(d, out)
}

func wireKey(k manifest.ReleaseKey) api.TrustedKey {
	return api.TrustedKey{APIURL: k.APIURL, KeyID: k.KeyID, PublicKey: k.PublicKey, How: string(k.How), PinnedAt: api.At(k.PinnedAt), RetiredAt: api.At(k.RetiredAt)}
}

// howWords say how a key came to be trusted.
var howWords = map[string]string{
	string(manifest.PinnedAtEnrolment): "came with the connection",
	string(manifest.PinnedAtFirstUse):  "the first that was seen",
	string(manifest.PinnedByRotation):  "signed by the key before",
	string(manifest.PinnedByPerson):    "somebody here said so",
}

func printKeys(d *deps, out api.TrustedKeys) error {
	if len(out.Items) == 0 {
		d.printf("This host trusts no release key yet. It learns one when it connects, or when it looks for a release.\n")
		return nil
	}
	rows := make([][]string, 0, len(out.Items))
	for _, k := range out.Items {
		until := ""
		if !k.RetiredAt.IsZero() {
			until = k.RetiredAt.Local().Format(time.DateOnly)
		}
		rows = append(rows, []string{k.APIURL, k.KeyID, k.PinnedAt.Local().Format(time.DateOnly), until, howWords[k.How], k.PublicKey})
	}
	err := cliutil.FitTable(d.streams.Out, d.streams.Width, []cliutil.Column{{Head: "CONTROL PLANE"}, {Head: "KEY"}, {Head: "TRUSTED SINCE"},
		{Head: "UNTIL"}, {Head: "WHY", Spare: 1}, {Head: "PUBLIC KEY", Spare: 2}}, rows, false)
	if err != nil || len(out.Seen) == 0 {
		return err
	}
	rows = rows[:0]
	for _, s := range out.Seen {
		rows = append(rows, []string{s.APIURL, s.Program, s.Channel, s.Version, strconv.FormatInt(s.Sequence, 10), s.SeenAt.Local().Format(time.DateOnly)})
	}
	d.printf("\nThe newest releases that were seen:\n")
	return cliutil.FitTable(d.streams.Out, d.streams.Width, []cliutil.Column{{Head: "CONTROL PLANE"}, {Head: "PROGRAM"}, {Head: "CHANNEL"},
		{Head: "VERSION"}, {Head: "NUMBER", Spare: 2}, {Head: "SEEN", Spare: 1}}, rows, false)
}

func newKeysTrustCmd(d *deps) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use: "trust <url> <key>", Short: "Believe releases that are signed by this key from now on",
		Long: `Makes a key the one that releases of a control plane must be signed by, in place
of the one that was trusted so far. Nobody checks it but you: get it from the
operator in another way than through that control plane, and compare its id.

It is for a key that was lost, or that somebody else has too. Where the operator
still has the former key, "pipeweave releases" changes it for all hosts at once
and nothing is to be done here.`,
		Example: `  pipedai-orchestrator keys trust https://api.example.com prk_AhR3...`,
		Args:    cobra.ExactArgs(2), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runKeysTrust(cmd.Context(), d, args[0], args[1], asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func runKeysTrust(ctx context.Context, d *deps, url, text string, asJSON bool) error {
	apiURL, err := enroll.NormalizeURL(url)
	if err != nil {
		return cliutil.Fail(cliutil.ExitUsage, err, "")
	}
	key, err := release.ParseKey(text)
	if err != nil {
		return cliutil.Fail(cliutil.ExitUsage, err, "the operator sees it with: pipeweave releases keys")
	}
	hosts, err := d.recorded(ctx, true)
	if err != nil {
		return err
	}
	defer func() { _ = hosts.Close() }()
	former, err := hosts.PinnedKey(ctx, apiURL)
	if err != nil && !errors.Is(err, manifest.ErrNotFound) {
		return err
	}
	now := manifest.ReleaseKey{APIURL: apiURL, KeyID: key.ID(), PublicKey: key.String(), How: manifest.PinnedByPerson, PinnedAt: time.Now()}
	same := former.PublicKey == now.PublicKey
	if same {
		now = former
	} else if err := hosts.PinKeys(ctx, apiURL, former.KeyID, now); err != nil {
		return err
	}
	switch {
	case asJSON:
		return cliutil.JSON(d.streams.Out, wireKey(now))
	case same:
		d.printf("The key %s is the one that is trusted for %s already.\n", now.KeyID, apiURL)
	case former.KeyID != "":
		d.printf("Releases of %s have to be signed by the key %s from now on, no longer by %s.\n", apiURL, now.KeyID, former.KeyID)
	default:
		d.printf("Releases of %s have to be signed by the key %s.\n", apiURL, now.KeyID)
	}
	return nil
}

func newKeysResetCmd(d *deps) *cobra.Command {
	var sequences, asJSON bool
	cmd := &cobra.Command{
		Use: "reset <url>", Short: "Forget which key is trusted for a control plane",
		Long: `Forgets the release key of a control plane, and which releases were seen: the next
key that it shows is believed. "keys trust" is the safer way when you know the key.

With --sequences the key stays, and only the numbers of the releases count anew:
for a release that was published with far too high a number by mistake.`,
		Example: `  pipedai-orchestrator keys reset https://api.example.com --sequences`,
		Args:    cobra.ExactArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runKeysReset(cmd.Context(), d, args[0], sequences, asJSON)
		},
	}
	cmd.Flags().BoolVar(&sequences, "sequences", false, "keep the key; only let the numbers of releases begin anew")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// keysReset is what "keys reset --json" prints.
type keysReset struct {
	APIURL string `json:"apiUrl"`
	Key    string `json:"keyId,omitempty"` // that was trusted
	Kept   bool   `json:"kept"`            // and still is
}

func runKeysReset(ctx context.Context, d *deps, url string, sequences, asJSON bool) error {
	apiURL, err := enroll.NormalizeURL(url)
	if err != nil {
		return cliutil.Fail(cliutil.ExitUsage, err, "")
	}
	hosts, err := d.recorded(ctx, false)
	if err != nil {
		return err
	}
	done := keysReset{APIURL: apiURL}
	if hosts != nil {
		defer func() { _ = hosts.Close() }()
		former, err := hosts.PinnedKey(ctx, apiURL)
		if err != nil && !errors.Is(err, manifest.ErrNotFound) {
			return err
		}
		done.Key, done.Kept = former.KeyID, sequences && former.KeyID != ""
		if err := hosts.ForgetTrust(ctx, apiURL, sequences); err != nil {
			return err
		}
	}
	switch {
	case asJSON:
		return cliutil.JSON(d.streams.Out, done)
	case done.Key == "":
		d.printf("No key is trusted for %s.\n", apiURL)
	case done.Kept:
		d.printf("The numbers of releases of %s begin anew. The key %s stays trusted.\n", apiURL, done.Key)
	default:
		d.printf("The key %s is forgotten. The next key that %s shows is believed.\n", done.Key, apiURL)
	}
	return nil
}
