package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"pipedai/internal/cliutil"
)

// inputFlags are how a command is given an input.
type inputFlags struct {
	text string // JSON, or @file
	file string // "-" is standard input
}

func (f *inputFlags) bind(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.text, "input", "i", "", "input as JSON, or @FILE (default {})")
	cmd.Flags().StringVarP(&f.file, "file", "f", "", "read the input from a file; - is standard input")
}

// check says what is wrong with the flags themselves.
func (f inputFlags) check() error {
	if f.text != "" && f.file != "" {
		return cliutil.UsageError("--input and --file cannot be given together")
	}
	return nil
}

// read returns the input as it was given, checked to be JSON.
func (f inputFlags) read(d *deps) (json.RawMessage, error) {
	text, file := f.text, f.file
	if name, found := strings.CutPrefix(text, "@"); found {
		text, file = "", name
	}
	var data []byte
	var err error
	switch {
	case file == "-":
		data, err = io.ReadAll(d.In)
	case file != "":
		data, err = os.ReadFile(file)
	default:
		data = []byte(first(text, "{}"))
	}
	if err != nil {
		return nil, cliutil.Fail(cliutil.ExitUsage, fmt.Errorf("read input: %w", err), "")
	}
	if !json.Valid(data) {
		return nil, cliutil.Fail(cliutil.ExitUsage, errors.New("the input is not JSON"), `quote it for the shell: --input '{"key": "value"}'`)
	}
	return data, nil
}
