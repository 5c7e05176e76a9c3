package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"mime"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"pipedai/internal/cliutil"
)

type uploadsOptions struct {
	remote   remote
	name     string // a file, or an id
	mimeType string
	json     bool
}

func newUploadsCmd(d *deps) *cobra.Command {
	cmd := &cobra.Command{
		Use: "uploads", Short: "Upload files for tasks, show and remove them", Args: cobra.NoArgs,
		Long: `Upload files for tasks. The id of an upload goes anywhere into the input of a
run; a run that starts with it within 24 hours keeps the file.`,
		Example: "  pipeweave uploads put report.pdf\n  pipeweave trigger pdf-processor --input '{\"document\": \"tmp_...\"}'",
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	put := d.uploadsCmd("put FILE", "Upload a file, up to 100 MiB", cobra.ExactArgs(1), runUploadPut)
	put.Flags().String("type", "", "what the file is, such as application/pdf (default: by its name)")
	cmd.AddCommand(put,
		d.uploadsCmd("show ID", "Show an uploaded file", cobra.ExactArgs(1), runUploadShow),
		d.uploadsCmd("rm ID", "Remove an uploaded file that no run claimed", cobra.ExactArgs(1), runUploadRemove),
		d.uploadsCmd("stats", "Count uploaded files", cobra.NoArgs, runUploadStats))
	return cmd
}

// uploadsCmd is one of the commands about uploads.
func (d *deps) uploadsCmd(use, short string, args cobra.PositionalArgs, run func(context.Context, *deps, uploadsOptions) error) *cobra.Command {
	var o uploadsOptions
	cmd := &cobra.Command{
		Use: use, Short: short, Args: args,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.name = args[0]
			}
			if flag := cmd.Flag("type"); flag != nil {
				o.mimeType = flag.Value.String()
			}
			return run(cmd.Context(), d, o)
		},
	}
	o.remote.bind(cmd)
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

func runUploadPut(ctx context.Context, d *deps, o uploadsOptions) error {
	file, err := os.Open(o.name)
	if err != nil {
		return cliutil.Fail(cliutil.ExitUsage, err, "")
	}
	defer func() { _ = file.Close() }() // it was only read
	if info, err := file.Stat(); err != nil || info.IsDir() {
		return cliutil.Fail(cliutil.ExitUsage, cmp.Or(err, errors.New(o.name+" is a folder")), "")
	}
	c, err := d.connect(o.remote)
	if err != nil {
		return err
	}
	kind := first(o.mimeType, mime.TypeByExtension(filepath.Ext(o.name)), "application/octet-stream")
	up, err := c.Upload(ctx, filepath.Base(o.name), kind, file)
	if err != nil {
		return err
	}
	if o.json {
		return cliutil.JSON(d.Out, up)
	}
	return d.printf("%s  %s, %d bytes, kept until %s unless a run claims it\nNext: pipeweave trigger PIPELINE --input '{\"file\": \"%s\"}'\n",
		up.UploadID, cliutil.Printable(up.Filename), up.Size, up.ExpiresAt, up.UploadID)
}

func runUploadShow(ctx context.Context, d *deps, o uploadsOptions) error {
	c, err := d.connect(o.remote)
	if err != nil {
		return err
	}
	up, err := c.UploadInfo(ctx, o.name)
	if err != nil {
		return named(err, "upload", o.name, "pipeweave uploads stats")
	}
	if o.json {
		return cliutil.JSON(d.Out, up)
	}
	state := "waits for a run until " + up.ExpiresAt.String()
	switch {
	case up.Deleted:
		state = "deleted " + d.ago(up.DeletedAt)
	case up.Claimed:
		state = "claimed by " + *up.ClaimedByRunID
	case up.Expired:
		state = "expired"
	}
	return d.printf("%s  %s\n  File:    %s (%s, %d bytes)\n  Object:  %s in %s\n  Since:   %s\n",
		up.UploadID, state, cliutil.Printable(up.Filename), cliutil.Printable(up.MimeType), up.Size, up.StoragePath, up.StorageBackendID, d.ago(up.UploadedAt))
}

func runUploadRemove(ctx context.Context, d *deps, o uploadsOptions) error {
	c, err := d.connect(o.remote)
	if err != nil {
		return err
	}
	gone, err := c.DeleteUpload(ctx, o.name)
	if err != nil {
		return named(conflicting(err, "pipeweave uploads show "+o.name), "upload", o.name, "pipeweave uploads stats")
	}
	if o.json {
		return cliutil.JSON(d.Out, gone)
	}
	return d.printf("Upload %s is removed.\n", gone.UploadID)
}

func runUploadStats(ctx context.Context, d *deps, o uploadsOptions) error {
	c, err := d.connect(o.remote)
	if err != nil {
		return err
	}
	n, err := c.UploadStats(ctx)
	if err != nil {
		return err
	}
	if o.json {
		return cliutil.JSON(d.Out, n)
	}
	return cliutil.Table(d.Out, d.Width, []string{"UPLOADS", "CLAIMED", "EXPIRED", "DELETED"},
		[][]string{{fmt.Sprint(n.Total), fmt.Sprint(n.Claimed), fmt.Sprint(n.Expired), fmt.Sprint(n.Deleted)}})
}
