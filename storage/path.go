package storage

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of a path. They are what every provider and file system can hold.
const (
	maxPath    = 1024
	maxElement = 255
)

// CleanPath checks that path names an object and returns it as every provider
// stores it. It changes nothing: a path that would need changing is refused
// with ErrBadPath, because two spellings of one object would be two objects on
// one provider and one on another.
//
// Refused are absolute paths, empty, "." and ".." elements, their
// percent-encoded forms, backslashes, colons, control characters, elements
// that Windows reserves (CON, a trailing dot or space), invalid UTF-8, and
// anything longer than 1024 bytes.
func CleanPath(path string) (string, error) {
	switch {
	case path == "":
		return "", fmt.Errorf("%w: empty", ErrBadPath)
	case len(path) > maxPath:
		return "", fmt.Errorf("%w: longer than %d bytes", ErrBadPath, maxPath)
	case !utf8.ValidString(path):
		return "", fmt.Errorf("%w: not UTF-8", ErrBadPath)
	case path[0] == '/':
		return "", fmt.Errorf("%w %q: starts with a slash", ErrBadPath, path)
	case strings.ContainsAny(path, `\:`):
		return "", fmt.Errorf("%w %q: contains a backslash or a colon", ErrBadPath, path)
	case strings.ContainsFunc(path, unicode.IsControl):
		return "", fmt.Errorf("%w %q: contains a control character", ErrBadPath, path)
	case containsEncoded(path):
		return "", fmt.Errorf("%w %q: contains an encoded dot or slash", ErrBadPath, path)
	}
	for element := range strings.SplitSeq(path, "/") {
		if err := checkElement(element); err != nil {
			return "", fmt.Errorf("%w %q: %w", ErrBadPath, path, err)
		}
	}
	return path, nil
}

// CheckAssetKey says whether key can name an asset: one path element of
// letters, digits, dot, dash and underscore that does not start with a dot.
func CheckAssetKey(key string) error {
	if key == "" || len(key) > maxElement || key[0] == '.' {
		return fmt.Errorf("%w: asset key %q: must have 1 to %d characters and not start with a dot", ErrBadPath, key, maxElement)
	}
	for _, r := range key {
		if !isKeyRune(r) {
			return fmt.Errorf("%w: asset key %q: use letters, digits, dot, dash and underscore only", ErrBadPath, key)
		}
	}
	if err := checkElement(key); err != nil {
		return fmt.Errorf("%w: asset key %q: %w", ErrBadPath, key, err)
	}
	return nil
}

func isKeyRune(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return true
	}
	return r == '.' || r == '-' || r == '_'
}

// containsEncoded finds percent-encoded dots, slashes, backslashes and NULs: a
// proxy or client between us and the object may decode them.
func containsEncoded(path string) bool {
	if !strings.Contains(path, "%") {
		return false
	}
	lower := strings.ToLower(path)
	for _, code := range []string{"%2e", "%2f", "%5c", "%00"} {
		if strings.Contains(lower, code) {
			return true
		}
	}
	return false
}

// pathError is why an element is refused.
type pathError string

func (e pathError) Error() string { return string(e) }

func checkElement(element string) error {
	switch {
	case element == "":
		return pathError("has an empty element")
	case element == "." || element == "..":
		return pathError("has a relative element")
	case len(element) > maxElement:
		return pathError("has an element longer than 255 bytes")
	case strings.HasSuffix(element, ".") || strings.HasSuffix(element, " "):
		return pathError("has an element that ends in a dot or space")
	case isReserved(element):
		return pathError("has an element that Windows reserves")
	}
	return nil
}

// isReserved reports whether Windows takes the name for a device, with or
// without an extension.
func isReserved(element string) bool {
	base, _, _ := strings.Cut(element, ".")
	base = strings.ToUpper(strings.TrimRight(base, " "))
	switch base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	if len(base) < 4 || (base[:3] != "COM" && base[:3] != "LPT") {
		return false
	}
	switch base[3:] {
	case "1", "2", "3", "4", "5", "6", "7", "8", "9", "¹", "²", "³":
		return true
	}
	return false
}
