package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/internal/atomicfile"
	"pipedai/internal/cliutil"
	"pipedai/internal/release"
	"pipedai/internal/secret"
)

// releaseKeyVariable holds the private release key itself, for CI.
const releaseKeyVariable = "PIPEWEAVE_RELEASE_KEY"

// maxKeyFile is far more than a key has.
const maxKeyFile = 64 << 10

// privateKey reads the key that signs: from a file, from standard input ("-"),
// or from the environment. A key never is an argument.
func (d *deps) privateKey(file string) (release.PrivateKey, error) {
	const fix = "name the file with --key FILE (- is standard input), or put its content into " + releaseKeyVariable
	var text secret.Text
	switch {
	case file == "-":
		data, err := io.ReadAll(io.LimitReader(d.In, maxKeyFile))
		if err != nil {
			return release.PrivateKey{}, fmt.Errorf("read the release key: %w", err)
		}
		text = secret.Text(data)
	case file != "":
		read, err := readSecret(file)
		if err != nil {
			return release.PrivateKey{}, cliutil.Fail(cliutil.ExitUsage, err, fix)
		}
		if info, err := os.Stat(file); err == nil && info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
			d.notef("warning: others on this machine may read %s; run: chmod 600 %s\n", file, file)
		}
		text = read
	default:
		text = secret.Text(d.Getenv(releaseKeyVariable))
	}
	if text.Empty() {
		return release.PrivateKey{}, cliutil.Failf(cliutil.ExitUsage, fix, "no release key is given")
	}
	key, err := release.ParsePrivateKey(text)
	if err != nil {
		return release.PrivateKey{}, cliutil.Fail(cliutil.ExitUsage, err, fix)
	}
	return key, nil
}

func newKeygenCmd(d *deps) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "keygen FILE", Short: "Make a release key and keep its private half in FILE", Args: cobra.ExactArgs(1),
		Long: `Make a release key. FILE gets the private half, readable by you alone; no server
ever sees it. An existing file is never touched. Keep a copy where you keep other
things you cannot lose: what a lost key means is in docs/releases.md.`,
		Example: "  pipeweave releases keygen release.key",
		RunE:    func(_ *cobra.Command, args []string) error { return runKeygen(d, args[0], asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func runKeygen(d *deps, name string, asJSON bool) error {
	key := release.NewKey()
	// Made new and by nobody else: neither a link nor a file of somebody is
	// followed.
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return cliutil.Failf(cliutil.ExitConflict, "choose another name", "%s exists, and is left as it is", name)
	}
	if err != nil {
		return cliutil.Fail(cliutil.ExitUsage, err, "")
	}
	_, err = file.WriteString(key.PEM().Reveal())
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		_ = os.Remove(name) // half a key is none
		return fmt.Errorf("write %s: %w", name, err)
	}
	if asJSON {
		return cliutil.JSON(d.Out, map[string]string{"keyId": key.Public().ID(), "publicKey": key.Public().String(), "file": name})
	}
	return d.printf("Key %s is in %s\nPublic half: %s\nNext: pipeweave releases keys set --key %s\nOr, in the place of a key that is in use: pipeweave releases keys rotate --old FILE --new %s\n",
		key.Public().ID(), name, key.Public(), name, name)
}

func newReleaseKeysCmd(d *deps) *cobra.Command {
	var r remote
	var asJSON bool
	cmd := &cobra.Command{
		Use: "keys", Short: "Show, set and replace the key that signs releases", Args: cobra.NoArgs,
		Long: `Show the history of the key that signs releases, the current one last. Hosts trust
the key they first heard of, and follow it through this history.`,
		Example: "  pipeweave releases keys\n  pipeweave releases keys set --key release.key\n  pipeweave releases keys rotate --old release.key --new next.key",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := d.connect(r)
			if err != nil {
				return err
			}
			history, err := c.ReleaseKeys(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return cliutil.JSON(d.Out, history)
			}
			return d.showKeys(history)
		},
	}
	r.bind(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.AddCommand(newKeysSetCmd(d), newKeysRotateCmd(d))
	return cmd
}

func (d *deps) showKeys(history api.ReleaseKeys) error {
	keys, err := release.Chain(history)
	if err != nil {
		return fmt.Errorf("the server's history of the release key does not hold: %w", err)
	}
	if len(keys) == 0 {
		return d.printf("No release key is set. Make one with: pipeweave releases keygen release.key\n")
	}
	var rows [][]string
	for i, k := range keys {
		state := "replaced"
		if i == len(keys)-1 {
			state = "current"
		}
		rows = append(rows, []string{k.ID(), state, k.String()})
	}
	return cliutil.Table(d.Out, d.Width, []string{"KEY", "STATE", "PUBLIC HALF"}, rows)
}

func newKeysSetCmd(d *deps) *cobra.Command {
	var r remote
	var file, public string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "set", Short: "Tell a control plane its first release key", Args: cobra.NoArgs,
		Long: `Tell a control plane its first release key; only the public half is sent. It can be
done once: from then on the key itself names the next one (see keys rotate).`,
		Example: "  pipeweave releases keys set --key release.key\n  pipeweave releases keys set --public prk_...",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if public == "" {
				key, err := d.privateKey(file)
				if err != nil {
					return err
				}
				public = key.Public().String()
			}
			c, err := d.connect(r)
			if err != nil {
				return err
			}
			history, err := c.SetReleaseKey(cmd.Context(), api.SetReleaseKeyRequest{First: public})
			if err != nil {
				return conflicting(err, "pipeweave releases keys")
			}
			if asJSON {
				return cliutil.JSON(d.Out, history)
			}
			named, err := release.ParseKey(public)
			if err != nil {
				return err
			}
			return d.printf("Key %s signs releases from now on. Hosts trust it when they join, or when they next ask.\nNext: pipeweave releases publish dist --key %s\n",
				named.ID(), first(file, "FILE"))
		},
	}
	r.bind(cmd)
	cmd.Flags().StringVar(&file, "key", "", "file of the private key, - for standard input ("+releaseKeyVariable+": the key itself)")
	cmd.Flags().StringVar(&public, "public", "", "the public half, instead of --key")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.MarkFlagsMutuallyExclusive("key", "public")
	return cmd
}

type rotateOptions struct {
	remote    remote
	old, next string
	out       string
	json      bool
}

func newKeysRotateCmd(d *deps) *cobra.Command {
	var o rotateOptions
	cmd := &cobra.Command{
		Use: "rotate", Short: "Put a new release key in the place of the current one", Args: cobra.NoArgs,
		Long: `Put a new release key in the place of the current one. Both sign the statement that
says so, and hosts follow it by themselves. What the old key signed is no longer
offered: sign it again with "pipeweave releases renew".`,
		Example: "  pipeweave releases keygen next.key\n  pipeweave releases keys rotate --old release.key --new next.key",
		RunE:    func(cmd *cobra.Command, _ []string) error { return runRotate(cmd.Context(), d, o) },
	}
	o.remote.bind(cmd)
	cmd.Flags().StringVar(&o.old, "old", "", "file of the current private key, - for standard input ("+releaseKeyVariable+": the key itself)")
	cmd.Flags().StringVar(&o.next, "new", "", "file of the new private key")
	cmd.Flags().StringVar(&o.out, "out", "", "also write the statement to this file")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	_ = cmd.MarkFlagRequired("new") // the flag is there
	return cmd
}

func runRotate(ctx context.Context, d *deps, o rotateOptions) error {
	if o.next == "-" {
		return cliutil.UsageError("--new is the name of a file")
	}
	old, err := d.privateKey(o.old)
	if err != nil {
		return err
	}
	next, err := d.privateKey(o.next)
	if err != nil {
		return err
	}
	c, err := d.connect(o.remote)
	if err != nil {
		return err
	}
	history, err := c.ReleaseKeys(ctx)
	if err != nil {
		return err
	}
	keys, err := release.Chain(history)
	if err != nil {
		return fmt.Errorf("the server's history of the release key does not hold: %w", err)
	}
	if len(keys) == 0 || !keys[len(keys)-1].Equal(next.Public()) { // else it was done before
		if err := currentKeyIs(keys, old.Public()); err != nil {
			return err
		}
		statement, err := release.Rotate(old, next, d.now())
		if err != nil {
			return cliutil.Fail(cliutil.ExitUsage, err, "")
		}
		if err := writeStatement(o.out, statement); err != nil {
			return err
		}
		if history, err = c.SetReleaseKey(ctx, api.SetReleaseKeyRequest{Rotation: &statement}); err != nil {
			return conflicting(err, "pipeweave releases keys")
		}
	}
	if o.json {
		return cliutil.JSON(d.Out, history)
	}
	return d.printf("Key %s signs releases from now on, and no longer %s.\nWhat is published has to be signed again: pipeweave releases renew --key %s\n",
		next.Public().ID(), old.Public().ID(), o.next)
}

// currentKeyIs refuses a key that is not the one that signs today.
func currentKeyIs(keys []release.Key, mine release.Key) error {
	if len(keys) == 0 {
		return cliutil.Failf(cliutil.ExitConflict, "pipeweave releases keys set --key FILE", "the control plane has no release key yet")
	}
	if current := keys[len(keys)-1]; !current.Equal(mine) {
		return cliutil.Failf(cliutil.ExitConflict, "see: pipeweave releases keys", "the key given is %s, and the control plane takes what %s signs", mine.ID(), current.ID())
	}
	return nil
}

// writeStatement keeps a statement in a file; no name, no file.
func writeStatement(name string, statement api.Envelope) error {
	if name == "" {
		return nil
	}
	data, err := json.MarshalIndent(statement, "", "  ")
	if err == nil {
		err = atomicfile.Write(name, append(data, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("write the statement: %w", err)
	}
	return nil
}
