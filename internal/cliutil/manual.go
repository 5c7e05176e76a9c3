package cliutil

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// WriteManual writes a manual page (section 1) of every command a person may
// use into a folder.
func WriteManual(root *cobra.Command, folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("write manual pages: %w", err)
	}
	return eachShown(root, func(cmd *cobra.Command) error {
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
		if err := os.WriteFile(filepath.Join(folder, name+".1"), []byte(Manual(cmd)), 0o644); err != nil {
			return fmt.Errorf("write manual pages: %w", err)
		}
		return nil
	})
}

func eachShown(cmd *cobra.Command, visit func(*cobra.Command) error) error {
	if cmd.HasParent() && !cmd.IsAvailableCommand() && !cmd.IsAdditionalHelpTopicCommand() {
		return nil
	}
	if err := visit(cmd); err != nil {
		return err
	}
	for _, sub := range cmd.Commands() {
		if err := eachShown(sub, visit); err != nil {
			return err
		}
	}
	return nil
}

// Manual is the manual page of one command, in the language of man(7).
func Manual(cmd *cobra.Command) string {
	var out strings.Builder
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
	fmt.Fprintf(&out, ".TH %s 1\n.SH NAME\n%s \\- %s\n", roff(strings.ToUpper(name)), roff(name), roff(cmd.Short))
	fmt.Fprintf(&out, ".SH SYNOPSIS\n.B %s\n", roff(usageLine(cmd)))
	if cmd.Long != "" {
		out.WriteString(".SH DESCRIPTION\n")
		for _, part := range strings.Split(cmd.Long, "\n\n") {
			if strings.HasPrefix(part, "  ") {
				fmt.Fprintf(&out, ".PP\n.nf\n%s\n.fi\n", roff(part))
			} else {
				fmt.Fprintf(&out, ".PP\n%s\n", roff(part))
			}
		}
	}
	if cmd.Example != "" {
		fmt.Fprintf(&out, ".SH EXAMPLES\n.nf\n%s\n.fi\n", roff(unindent(cmd.Example)))
	}
	cmd.InitDefaultHelpFlag()
	manualFlags(&out, "OPTIONS", cmd.LocalFlags())
	manualFlags(&out, "OPTIONS OF EVERY COMMAND", cmd.InheritedFlags())
	var see []string
	for _, group := range CommandGroups(cmd) {
		for _, sub := range group.Commands {
			if sub.Name() != "help" {
				see = append(see, ".BR "+roff(strings.ReplaceAll(sub.CommandPath(), " ", "-"))+" (1)")
			}
		}
	}
	if cmd.HasParent() {
		see = append(see, ".BR "+roff(strings.ReplaceAll(cmd.Parent().CommandPath(), " ", "-"))+" (1)")
	}
	if len(see) > 0 {
		fmt.Fprintf(&out, ".SH SEE ALSO\n%s\n", strings.Join(see, ",\n"))
	}
	return out.String()
}

func manualFlags(out *strings.Builder, title string, flags *pflag.FlagSet) {
	began := false
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		if !began {
			fmt.Fprintf(out, ".SH %s\n", title)
			began = true
		}
		kind, usage := pflag.UnquoteUsage(f)
		word := "--" + f.Name
		if f.Shorthand != "" {
			word = "-" + f.Shorthand + ", " + word
		}
		fmt.Fprintf(out, ".TP\n.B %s\n%s\n", roff(strings.TrimSpace(word+" "+kind)), roff(usage))
	})
}

// roff keeps a text from being taken for the language of manual pages.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
