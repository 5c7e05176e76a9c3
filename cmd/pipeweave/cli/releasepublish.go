package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/internal/cliutil"
	"pipedai/internal/release"
)

type publishOptions struct {
	remote                    remote
	program, version, channel string
	key, notes, notesFile     string
	expires                   expiry
	artifacts, paths          []string
	dryRun, json              bool
}

func newPublishCmd(d *deps) *cobra.Command {
	var o publishOptions
	cmd := &cobra.Command{
		Use: "publish [FILE|FOLDER]...", Short: "Sign programs and publish them",
		Long: `Sign programs and publish them. A folder gives every file of it that is named
program_version_os_arch, as release tools name them: tar.gz, zip, or the program
itself. Several programs make a release each. Hosts see a release once all of it is
there; after an interruption, the same command goes on where it ended.`,
		Example: `  make release && pipeweave releases publish dist --key release.key
  pipeweave releases publish --program my-worker --version 1.2.0 --artifact linux/amd64=build/my-worker --key release.key
  pipeweave releases publish dist --channel beta --key - <release.key`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.paths = args
			return runPublish(cmd.Context(), d, o)
		},
	}
	o.remote.bind(cmd)
	flags := cmd.Flags()
	flags.StringVar(&o.program, "program", "", "the program (default: what the files are named after)")
	flags.StringVar(&o.version, "version", "", "its version (default: what the files are named after)")
	flags.StringVar(&o.channel, "channel", api.DefaultChannel, "the channel")
	flags.StringVar(&o.key, "key", "", "file of the private key, - for standard input ("+releaseKeyVariable+": the key itself)")
	flags.StringVar(&o.notes, "notes", "", "what is new, for people")
	flags.StringVar(&o.notesFile, "notes-file", "", "a file with it")
	flags.StringArrayVar(&o.artifacts, "artifact", nil, "a file and what it is for: os/arch=path (may be repeated)")
	flags.BoolVar(&o.dryRun, "dry-run", false, "look at the files and the control plane, and change nothing")
	flags.BoolVar(&o.json, "json", false, "print JSON")
	o.expires.bind(cmd)
	cmd.MarkFlagsMutuallyExclusive("notes", "notes-file")
	return cmd
}

// plan is a release before it is signed.
type plan struct {
	api.ReleaseManifest
	files []releaseFile
}

func runPublish(ctx context.Context, d *deps, o publishOptions) error {
	if err := o.expires.check(); err != nil {
		return err
	}
	plans, err := planReleases(ctx, d, o)
	if err != nil {
		return err
	}
	key, err := d.privateKey(o.key)
	if err != nil {
		return err
	}
	c, err := d.connect(o.remote)
	if err != nil {
		return err
	}
	signer, err := newSigner(ctx, d, c, key)
	if err != nil {
		return err
	}
	done := []api.PublishedRelease{}
	for _, p := range plans {
		made, err := signer.publish(ctx, p, o)
		if err != nil {
			return err
		}
		done = append(done, made)
	}
	if o.json {
		return cliutil.JSON(d.Out, api.PublishedReleases{Items: done})
	}
	if o.dryRun {
		return d.printf("Nothing was changed.\n")
	}
	return d.printf("Next: pipeweave releases list\n")
}

// planReleases reads the files and says what releases they make.
func planReleases(ctx context.Context, d *deps, o publishOptions) ([]plan, error) {
	if len(o.artifacts) == 0 && len(o.paths) == 0 {
		return nil, cliutil.UsageError("name a folder, files, or --artifact os/arch=path")
	}
	if err := release.CheckChannel(o.channel); err != nil {
		return nil, cliutil.UsageError("--channel: %w", err)
	}
	if o.notesFile != "" {
		data, err := os.ReadFile(o.notesFile)
		if err != nil {
			return nil, cliutil.Fail(cliutil.ExitUsage, err, "")
		}
		o.notes = strings.TrimSpace(string(data))
	}
	files, err := findReleaseFiles(o.artifacts, o.paths)
	if err != nil {
		return nil, err
	}
	var plans []plan
	for _, f := range files {
		program, version := cmp.Or(f.program, o.program), cmp.Or(f.version, o.version)
		switch {
		case program == "" || version == "":
			return nil, cliutil.UsageError("%s: --program and --version are needed", f.path)
		case o.program != "" && program != o.program || o.version != "" && version != o.version:
			d.notef("%s is of %s %s, and left out\n", f.path, program, version)
			continue
		}
		if err := errors.Join(release.CheckProgram(program), release.CheckVersion(version)); err != nil {
			return nil, cliutil.UsageError("%s: %w", f.path, err)
		}
		at := slices.IndexFunc(plans, func(p plan) bool { return p.Program == program })
		switch {
		case at < 0:
			at = len(plans)
			plans = append(plans, plan{ReleaseManifest: api.ReleaseManifest{Program: program, Version: version, Channel: o.channel, Notes: o.notes}})
		case plans[at].Version != version:
			return nil, cliutil.Failf(cliutil.ExitUsage, "name one with --version, or remove the other's files", "there are files of %s %s and of %s", program, plans[at].Version, version)
		}
		if err := f.measure(ctx, program); err != nil {
			return nil, err
		}
		plans[at].files = append(plans[at].files, f)
		plans[at].Artifacts = append(plans[at].Artifacts, f.Artifact)
	}
	if len(plans) == 0 {
		return nil, cliutil.UsageError("none of the files is of %s %s", o.program, o.version)
	}
	for _, p := range plans { // everything that is wrong, before anything is sent
		trial := p.ReleaseManifest
		trial.Sequence, trial.CreatedAt, trial.ExpiresAt = 1, api.At(d.now()), api.At(d.now().Add(o.expires.after))
		if err := release.Check(trial); err != nil {
			return nil, cliutil.UsageError("%s %s: %w", p.Program, p.Version, err)
		}
	}
	return plans, nil
}

// publish signs a release, unless it is there already, and sends the files that
// are missing.
func (s *signer) publish(ctx context.Context, p plan, o publishOptions) (api.PublishedRelease, error) {
	title := fmt.Sprintf("%s %s on %s", p.Program, p.Version, p.Channel)
	var total int64
	for _, f := range p.files {
		total += f.Size
	}
	s.d.notef("%s: %d artifacts, %s\n", title, len(p.files), bytesText(total))
	if o.dryRun {
		return s.rehearse(ctx, p, title, o)
	}
	made, signed, err := s.put(ctx, p.ReleaseManifest, o.expires)
	if err != nil {
		return api.PublishedRelease{}, err
	}
	if !signed && made.State == api.ReleasePublished {
		return made, s.say(o.json, "%s is published already.\n", title)
	}
	missing := map[string]bool{}
	for _, a := range made.Artifacts {
		missing[a.Name] = !a.Stored
	}
	for _, f := range p.files {
		if !missing[f.Name] {
			s.d.notef("  %s is there\n", f.Name)
			continue
		}
		if err := s.send(ctx, p, f); err != nil {
			return api.PublishedRelease{}, cliutil.Fail(exitOf(err), err, "hosts do not see "+title+" yet; run the same command again to go on")
		}
	}
	made, err = s.c.PublishedRelease(ctx, p.Program, p.Version, p.Channel)
	if err != nil {
		return api.PublishedRelease{}, err
	}
	if made.State != api.ReleasePublished {
		return made, cliutil.Failf(cliutil.ExitConflict, "see: pipeweave releases show "+p.Program+" "+p.Version, "%s is %s: somebody else changed it meanwhile", title, made.State)
	}
	made.Envelope = nil
	return made, s.say(o.json, "%s is published, sequence %d, until %s.\n", title, made.Sequence, made.ExpiresAt)
}

// rehearse says what publish would do.
func (s *signer) rehearse(ctx context.Context, p plan, title string, o publishOptions) (api.PublishedRelease, error) {
	known, found, next, err := s.find(ctx, p.ReleaseManifest)
	if err != nil {
		return api.PublishedRelease{}, err
	}
	out := api.PublishedRelease{
		Program: p.Program, Version: p.Version, Channel: p.Channel, Sequence: next, KeyID: s.key.Public().ID(), Notes: p.Notes,
		Artifacts: []api.PublishedArtifact{},
	}
	if found {
		out = known
		out.Envelope = nil
	} else {
		for _, a := range p.Artifacts {
			out.Artifacts = append(out.Artifacts, api.PublishedArtifact{Artifact: a})
		}
	}
	if o.json {
		return out, nil
	}
	for _, f := range p.files {
		s.d.notef("  %-15s %s, %s, %s\n", f.OS+"/"+f.Arch, f.path, f.Format, bytesText(f.Size))
	}
	if found {
		return out, s.say(false, "%s is there already, %s.\n", title, known.State)
	}
	return out, s.say(false, "%s would be signed by key %s with sequence %d.\n", title, s.key.Public().ID(), next)
}

// exitOf keeps the exit code that an error has.
func exitOf(err error) int {
	code, _, _ := cliutil.Explain(err)
	return code
}
