package archtest

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// Pictures are few and small: who clones the repository gets all of them.
const (
	mostImage  = 120 << 10
	mostImages = 2500 << 10
)

var (
	inHTML = regexp.MustCompile(`(?:src|srcset)="([^"]+)"`)
	alt    = regexp.MustCompile(`<img\b[^>]*\balt="[^"]+"`)
	image  = regexp.MustCompile(`<img\b`)
)

// Images names every picture that README.md or a page below docs shows and that
// is not there, every one in docs/images that none shows, those that are too
// large, and pages with a picture that says nothing to who cannot see it.
func Images(root string) ([]string, error) {
	var out []string
	shown := map[string]bool{}
	sum := int64(0)
	err := Files(root, func(name string) error {
		if name != "README.md" && (!strings.HasPrefix(name, "docs/") || !strings.HasSuffix(name, ".md")) {
			return nil
		}
		data, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			return err
		}
		text := fence.ReplaceAllString(string(data), "")
		for _, match := range append(inHTML.FindAllStringSubmatch(text, -1), link.FindAllStringSubmatch(text, -1)...) {
			target := path.Join(path.Dir(name), match[1])
			if strings.Contains(match[1], "://") || !strings.HasSuffix(target, ".png") {
				continue
			}
			shown[target] = true
			if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(target))); err != nil {
				out = append(out, fmt.Sprintf("%s shows %s, which is not there: make screenshots", name, match[1]))
			}
		}
		if len(image.FindAllString(text, -1)) != len(alt.FindAllString(text, -1)) {
			out = append(out, name+" has a picture without alt text")
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(filepath.Join(root, "docs", "images"))
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		name := "docs/images/" + entry.Name()
		info, err := entry.Info()
		if err != nil {
			return nil, err
		}
		sum += info.Size()
		if !shown[name] {
			out = append(out, name+" is shown by no page")
		}
		if info.Size() > mostImage {
			out = append(out, fmt.Sprintf("%s has %d bytes, more than %d", name, info.Size(), mostImage))
		}
	}
	if sum > mostImages {
		out = append(out, fmt.Sprintf("docs/images has %d bytes, more than %d", sum, mostImages))
	}
	return out, nil
}
