package osservice

import (
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrText says that a path or setting cannot be written into a unit.
var ErrText = errors.New("cannot be part of a service")

// writable refuses what no format can carry: line ends above all, which would
// begin a setting of their own.
func writable(text string) error {
	switch {
	case !utf8.ValidString(text):
		return fmt.Errorf("%q %w: it is not UTF-8", text, ErrText)
	case strings.ContainsFunc(text, func(r rune) bool {
		return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == '\ufffe' || r == '\uffff'
	}):
		return fmt.Errorf("%q %w: it has a control character", text, ErrText)
	}
	return nil
}

var (
	// systemd reads a quoted word with the escapes of C and, in all settings,
	// % as a specifier.
	systemdText = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`)
	// In a command line it then replaces variables, but not in the program.
	systemdArg = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`, `$`, `$$`)
)

// systemdCommand is the value of ExecStart.
func systemdCommand(program string, args []string) string {
	words := []string{`"` + systemdText.Replace(program) + `"`}
	if strings.ContainsAny(program, `\"'`) {
		// systemd takes no such program, whatever the quotes. The shell does, as
		// an argument, and is gone once it has started it.
		words = []string{"/bin/sh", "-c", `"exec \"$$0\" \"$$@\""`, `"` + systemdArg.Replace(program) + `"`}
	}
	for _, arg := range args {
		words = append(words, `"`+systemdArg.Replace(arg)+`"`)
	}
	return strings.Join(words, " ")
}

// systemdSetting is the value of Environment.
func systemdSetting(name, value string) string {
	return `"` + name + "=" + systemdText.Replace(value) + `"`
}

// xmlText is the inside of an element.
func xmlText(text string) string {
	var out strings.Builder
	_ = xml.EscapeText(&out, []byte(text)) // a Builder takes everything
	return out.String()
}

// batchWord is one argument in a batch file: quoted for cmd.exe, whose %
// stands for variables, and for the program, which takes a backslash before a
// quote for an escape.
func batchWord(text string) (string, error) {
	if strings.Contains(text, `"`) {
		return "", fmt.Errorf("%q %w: it has a double quote", text, ErrText)
	}
	if strings.HasSuffix(text, `\`) {
		text += `\`
	}
	return `"` + strings.ReplaceAll(text, "%", "%%") + `"`, nil
}

// batchParameters is a command line within one argument: every word keeps its
// own quotes. Doubled ones stay inside the outer pair for cmd.exe, so & and
// its like mean nothing.
func batchParameters(args []string) (string, error) {
	words := make([]string, 0, len(args))
	for _, arg := range args {
		word, err := batchWord(arg)
		if err != nil {
			return "", err
		}
		if strings.HasSuffix(arg, `\`) {
			return "", fmt.Errorf("%q %w: it ends with a backslash", arg, ErrText)
		}
		words = append(words, `"`+word+`"`)
	}
	return `"` + strings.Join(words, " ") + `"`, nil
}
