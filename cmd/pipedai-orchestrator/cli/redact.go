package cli

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"pipedai/enroll"
	"pipedai/internal/hostdir"
)

// redactor takes secrets out of text that leaves this host: by value, those
// that this host knows, and by form, those that nobody knew of.
type redactor struct{ values *strings.Replacer }

const redacted = "[redacted]"

// shortestSecret is the length below which a text is too ordinary to be taken
// out of other texts.
const shortestSecret = 8

var (
	tokenForm  = regexp.MustCompile(`\b(?:oct|wkt|hos|pwk|pop|enr|wrk|pst|psk)_[A-Za-z0-9_-]{8,}`)
	bearerForm = regexp.MustCompile(`(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}`)
	userForm   = regexp.MustCompile(`(://)[^/\s:@"']*:[^/\s@"']+@`)
	memberForm = regexp.MustCompile(`(?i)("?[a-z0-9_.-]*(?:token|secret|password|passwd|api[_-]?key|authorization)"?\s*[:=]\s*)("(?:[^"\\]|\\.)+"|[^\s,;"{}\[\]]+)`)
	secretName = regexp.MustCompile(`(?i)token|secret|passw|credential|private|_key$|apikey`)
	keyForm    = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)`)
)

// newRedactor learns the secrets of this host: its credentials, those of its
// workers, and what the environment calls one.
func newRedactor(dir hostdir.Dir, environ []string) redactor {
	var values []string
	if creds, err := enroll.LoadCredentials(dir.Credentials()); err == nil {
		for _, t := range creds.Secrets() {
			values = append(values, t.Reveal())
		}
	}
	files, _ := filepath.Glob(filepath.Join(dir.Workers(), "*.json")) // the pattern is right
	for _, path := range append(files, dir.Credentials()) {
		values = append(values, secretMembers(path)...)
	}
	for _, line := range environ {
		if name, value, _ := strings.Cut(line, "="); secretName.MatchString(name) {
			values = append(values, value)
		}
	}
	var pairs []string
	for _, v := range values {
		if len(v) < shortestSecret {
			continue
		}
		pairs = append(pairs, v, redacted)
		if quoted, err := json.Marshal(v); err == nil {
			pairs = append(pairs, string(quoted[1:len(quoted)-1]), redacted)
		}
		pairs = append(pairs, url.QueryEscape(v), redacted)
	}
	return redactor{strings.NewReplacer(pairs...)}
}

// secretMembers are the texts in a JSON file whose member's name says that
// they are secret, and all below such a member.
func secretMembers(path string) []string {
	data, err := os.ReadFile(path)
	var file any
	if err != nil || json.Unmarshal(data, &file) != nil {
		return nil
	}
	var out []string
	var walk func(v any, hidden bool)
	walk = func(v any, hidden bool) {
		switch v := v.(type) {
		case map[string]any:
			for name, member := range v {
				walk(member, hidden || secretName.MatchString(name) || name == "operators" || name == "hosts")
			}
		case []any:
			for _, item := range v {
				walk(item, hidden)
			}
		case string:
			if hidden {
				out = append(out, v)
			}
		}
	}
	walk(file, false)
	return out
}

func (r redactor) text(text string) string {
	text = r.values.Replace(text)
	text = keyForm.ReplaceAllString(text, redacted)
	text = tokenForm.ReplaceAllString(text, redacted)
	text = bearerForm.ReplaceAllString(text, "$1 "+redacted)
	text = userForm.ReplaceAllString(text, "$1"+redacted+"@")
	return memberForm.ReplaceAllStringFunc(text, func(found string) string {
		parts := memberForm.FindStringSubmatch(found)
		if strings.HasPrefix(parts[2], `"`) {
			return parts[1] + `"` + redacted + `"`
		}
		if parts[2] == "null" || parts[2] == "true" || parts[2] == "false" {
			return found
		}
		return parts[1] + redacted
	})
}
