package cli

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"pipedai/client"
	"pipedai/internal/cliutil"
)

type storageOptions struct {
	remote  remote
	backend string
	path    string // or prefix
	after   string
	limit   int
	out     string
	json    bool
}

func newStorageCmd(d *deps) *cobra.Command {
	cmd := &cobra.Command{
		Use: "storage", Short: "See where objects are kept, list and fetch them", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newStorageBackendsCmd(d), newStorageListCmd(d), newStorageGetCmd(d))
	return cmd
}

func newStorageBackendsCmd(d *deps) *cobra.Command {
	var o storageOptions
	cmd := &cobra.Command{
		Use: "backends", Short: "List the configured storage backends", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runStorageBackends(cmd.Context(), d, o) },
	}
	o.remote.bind(cmd)
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

func runStorageBackends(ctx context.Context, d *deps, o storageOptions) error {
	c, err := d.connect(o.remote)
	if err != nil {
		return err
	}
	got, err := c.StorageBackends(ctx)
	if err != nil {
		return err
	}
	if o.json {
		return cliutil.JSON(d.Out, got)
	}
	var rows [][]string
	for _, b := range got.Backends {
		def := ""
		if b.IsDefault {
			def = "default"
		}
		rows = append(rows, []string{b.ID, b.Provider, b.Endpoint, first(b.Bucket, "-"), first(b.Region, "-"), def})
	}
	return cliutil.Table(d.Out, d.Width, []string{"ID", "PROVIDER", "ENDPOINT", "BUCKET", "REGION", ""}, rows)
}

func newStorageListCmd(d *deps) *cobra.Command {
	var o storageOptions
	cmd := &cobra.Command{
		Use: "ls [PREFIX]", Short: "List objects by path", Args: cobra.MaximumNArgs(1),
		Example: "  pipeweave storage ls runs/\n  pipeweave storage ls runs/prun_... --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.path = args[0]
			}
			return runStorageList(cmd.Context(), d, o)
		},
	}
	o.remote.bind(cmd)
	flags := cmd.Flags()
	flags.StringVar(&o.backend, "storage-backend", "", "id of a backend (default: the server's default)")
	flags.StringVar(&o.after, "after", "", "list what comes after this path")
	flags.IntVarP(&o.limit, "limit", "l", 100, "how many, up to 1000")
	flags.BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

func runStorageList(ctx context.Context, d *deps, o storageOptions) error {
	c, err := d.connect(o.remote)
	if err != nil {
		return err
	}
	query := url.Values{"prefix": {o.path}, "limit": {strconv.Itoa(o.limit)}}
	if o.after != "" {
		query.Set("after", o.after)
	}
	if o.backend != "" {
		query.Set("backend", o.backend)
	}
	got, err := c.StorageList(ctx, query)
	if err != nil {
		return err
	}
	if o.json {
		return cliutil.JSON(d.Out, got)
	}
	if len(got.Objects) == 0 {
		return d.printf("No objects start with %q in %s.\n", o.path, got.Backend)
	}
	var rows [][]string
	for _, object := range got.Objects {
		rows = append(rows, []string{object.Path, strconv.FormatInt(object.Size, 10), d.ago(object.Modified)})
	}
	if err := cliutil.Table(d.Out, d.Width, []string{"PATH", "BYTES", "STORED"}, rows); err != nil {
		return err
	}
	if got.Next != "" {
		d.notef("There are more: add --after %s\n", got.Next)
	}
	return nil
}

func newStorageGetCmd(d *deps) *cobra.Command {
	var o storageOptions
	cmd := &cobra.Command{
		Use: "get PATH", Short: "Fetch an object", Args: cobra.ExactArgs(1),
		Long: `Fetch an object, as the bytes it is, to standard output or a file. The file
appears when all of it is there and is what was stored.`,
		Example: "  pipeweave storage get runs/prun_.../outputs/trun_....json\n  pipeweave storage get runs/prun_.../assets/trun_.../page.pdf -o page.pdf",
		RunE: func(cmd *cobra.Command, args []string) error {
			o.path = args[0]
			return runStorageGet(cmd.Context(), d, o)
		},
	}
	o.remote.bind(cmd)
	flags := cmd.Flags()
	flags.StringVarP(&o.out, "out", "o", "", "write to this file")
	flags.StringVar(&o.backend, "storage-backend", "", "id of a backend (default: the one of the run)")
	return cmd
}

func runStorageGet(ctx context.Context, d *deps, o storageOptions) error {
	c, err := d.connect(o.remote)
	if err != nil {
		return err
	}
	if o.out == "" {
		body, err := c.StorageRange(ctx, o.path, o.backend, 0)
		if err != nil {
			return named(err, "object", o.path, "pipeweave storage ls")
		}
		defer func() { _ = body.Close() }() // it was read, or the error is told
		if _, err := io.Copy(d.Out, body); err != nil {
			return fmt.Errorf("fetch %s: %w", o.path, err)
		}
		return nil
	}
	n, err := fetch(ctx, c, o)
	if err != nil {
		return err
	}
	return d.printf("%s: %d bytes\n", o.out, n)
}

// fetch writes an object to a file and returns its size.
func fetch(ctx context.Context, c *client.Client, o storageOptions) (_ int64, err error) {
	body, err := c.StorageRange(ctx, o.path, o.backend, 0)
	if err != nil {
		return 0, named(err, "object", o.path, "pipeweave storage ls")
	}
	defer func() { _ = body.Close() }() // it was read, or the error is told
	part := o.out + ".part"
	file, err := os.OpenFile(part, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			_ = file.Close()
			_ = os.Remove(part)
		}
	}()
	n, err := io.Copy(file, body)
	if err != nil {
		return 0, fmt.Errorf("fetch %s: %w", o.path, err)
	}
	if err := file.Close(); err != nil {
		return 0, err
	}
	return n, os.Rename(part, o.out)
}
