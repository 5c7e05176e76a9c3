package cli

import (
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"pipedai/internal/cliutil"
)

// pageOptions say which part of a long list is wanted.
type pageOptions struct{ limit, offset int }

func (o *pageOptions) bind(cmd *cobra.Command) {
	cmd.Flags().IntVarP(&o.limit, "limit", "l", 20, "how many, up to 1000")
	cmd.Flags().IntVar(&o.offset, "offset", 0, "how many to pass over")
}

// query is the part, and what narrows the list down as far as it is given, as
// the server takes them.
func (o pageOptions) query(narrow map[string]string) (url.Values, error) {
	if o.limit < 1 || o.limit > 1000 || o.offset < 0 {
		return nil, cliutil.UsageError("--limit must be between 1 and 1000, --offset not negative")
	}
	out := url.Values{"limit": {strconv.Itoa(o.limit)}, "offset": {strconv.Itoa(o.offset)}}
	for name, value := range narrow {
		if value != "" {
			out.Set(name, value)
		}
	}
	return out, nil
}

// noteRest says how to see what comes after the part that was shown.
func (d *deps) noteRest(o pageOptions, shown, total int) {
	if next := o.offset + shown; shown > 0 && next < total {
		d.notef("%d of %d; --offset %d shows the next\n", shown, total, next)
	}
}
