package cliutil

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Seen is what the help of a flag says whose value is a secret.
const Seen = "other programs can see it"

// UnmarkedSecrets names the flags of a program whose value is a secret, and
// whose help does not say so. It is for the tests of programs.
func UnmarkedSecrets(root *cobra.Command) (flags []string) {
	kinds := []string{"token", "secret", "password", "credential", "credentials"}
	root.LocalFlags().VisitAll(func(f *pflag.Flag) {
		name := strings.TrimSuffix(f.Name, "-key")
		word := name[strings.LastIndexByte(name, '-')+1:]
		if f.Value.Type() == "string" && slices.Contains(kinds, word) && !strings.Contains(f.Usage, Seen) {
			flags = append(flags, root.CommandPath()+" --"+f.Name)
		}
	})
	for _, sub := range root.Commands() {
		flags = append(flags, UnmarkedSecrets(sub)...)
	}
	return flags
}
