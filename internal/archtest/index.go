package archtest

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Unlisted names every page below docs that docs/README.md does not link to. A
// decision is listed by the index of the decisions.
func Unlisted(root string) ([]string, error) {
	listed := map[string]bool{"docs/README.md": true}
	for _, index := range []string{"docs/README.md", "docs/adr/README.md"} {
		data, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(index)))
		if err != nil {
			return nil, err
		}
		for _, match := range link.FindAllStringSubmatch(string(data), -1) {
			file, _, _ := strings.Cut(match[1], "#")
			listed[path.Join(path.Dir(index), file)] = true
		}
	}
	var out []string
	err := Files(root, func(name string) error {
		if strings.HasPrefix(name, "docs/") && strings.HasSuffix(name, ".md") && !listed[name] {
			out = append(out, fmt.Sprintf("%s is in no index: list it in docs/README.md, or a decision in docs/adr/README.md", name))
		}
		return nil
	})
	return out, err
}
