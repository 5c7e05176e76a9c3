package inputschema

import (
	"net/netip"
	"strconv"
	"strings"
	"unicode"
)

func isAlpha(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isHex(c byte) bool   { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }
func isAlnum(c byte) bool { return isAlpha(c) || isDigit(c) }

// isEmail reports whether s is an address: dotted words without quotes, at a
// name with at least two labels.
func isEmail(s string) bool {
	local, domain, found := strings.Cut(s, "@")
	if !found || local == "" || local[0] == '.' || strings.Contains(local, "..") {
		return false
	}
	for i := range len(local) {
		if !isAlnum(local[i]) && !strings.ContainsRune("_'+-.", rune(local[i])) {
			return false
		}
	}
	if last := local[len(local)-1]; !isAlnum(last) && !strings.ContainsRune("_+-", rune(last)) {
		return false
	}
	labels := strings.Split(domain, ".")
	final := labels[len(labels)-1]
	if len(labels) < 2 || len(final) < 2 {
		return false
	}
	for i := range len(final) {
		if !isAlpha(final[i]) {
			return false
		}
	}
	for _, label := range labels[:len(labels)-1] {
		if label == "" || !isAlnum(label[0]) {
			return false
		}
		for i := range len(label) {
			if !isAlnum(label[i]) && label[i] != '-' {
				return false
			}
		}
	}
	return true
}

// isURL reports whether s is an absolute URL as browsers read them: any
// scheme, with a usable host where the scheme has hosts. Names beyond ASCII
// are taken by their letters; whether a registry would take them is not asked.
func isURL(s string) bool {
	s = strings.TrimFunc(s, func(r rune) bool { return r <= ' ' })
	s = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(s)
	scheme, rest, found := strings.Cut(s, ":")
	if !found || scheme == "" || !isAlpha(scheme[0]) {
		return false
	}
	for i := range len(scheme) {
		if !isAlnum(scheme[i]) && !strings.ContainsRune("+-.", rune(scheme[i])) {
			return false
		}
	}
	switch strings.ToLower(scheme) {
	case "http", "https", "ws", "wss", "ftp":
		authority := upTo(strings.TrimLeft(rest, `/\`), `/\?#`)
		return isAuthority(authority, true)
	case "file":
		return isFileURL(rest)
	}
	if !strings.HasPrefix(rest, "//") {
		return true // a path, of whatever
	}
	authority := upTo(rest[2:], "/?#")
	return authority == "" || isAuthority(authority, false)
}

func upTo(s, stops string) string {
	if i := strings.IndexAny(s, stops); i >= 0 {
		return s[:i]
	}
	return s
}

// isFileURL reports whether the part behind "file:" is usable: with two
// slashes a host may follow, which has no port and no user.
func isFileURL(rest string) bool {
	if len(rest) < 2 || !strings.ContainsRune(`/\`, rune(rest[0])) || !strings.ContainsRune(`/\`, rune(rest[1])) {
		return true
	}
	host := upTo(rest[2:], `/\?#`)
	drive := len(host) == 2 && isAlpha(host[0]) && (host[1] == ':' || host[1] == '|')
	return host == "" || drive || isHost(host)
}

// isAuthority reports whether [user@]host[:port] is usable.
func isAuthority(s string, special bool) bool {
	user := strings.LastIndexByte(s, '@')
	host := s[user+1:]
	if host == "" {
		return false // also when it is only a user
	}
	port := ""
	if end := strings.LastIndexByte(host, ']'); strings.LastIndexByte(host, ':') > end {
		i := strings.IndexByte(host[end+1:], ':') + end + 1
		host, port = host[:i], host[i+1:]
	}
	if n, err := strconv.ParseUint("0"+port, 10, 64); err != nil || n > 65535 {
		return false
	}
	if host == "" {
		return false
	}
	if !special && host[0] != '[' {
		return !strings.ContainsAny(host, "\x00\t\n\r #/:<>?@[\\]^|")
	}
	return isHost(host)
}

// isHost reports whether a host of a web address is usable: a name, an IPv4
// address in any of its spellings, or an IPv6 address in brackets.
func isHost(host string) bool {
	if host[0] == '[' {
		if host[len(host)-1] != ']' {
			return false
		}
		ip, err := netip.ParseAddr(host[1 : len(host)-1])
		return err == nil && ip.Is6() && ip.Zone() == ""
	}
	host = unescape(host)
	for _, r := range host {
		if r <= ' ' || r == 0x7F || strings.ContainsRune(`#/:<>?@[\]^|%`, r) ||
			r > 0x7F && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) && !unicode.Is(unicode.So, r) && !strings.ContainsRune("。．｡·・\u00AD\u200B", r) {
			return false
		}
	}
	host = strings.NewReplacer("。", ".", "．", ".", "｡", ".", "\u00AD", "", "\u200B", "").Replace(host)
	if host == "" {
		return false
	}
	parts := strings.Split(host, ".")
	if parts[len(parts)-1] == "" && len(parts) > 1 {
		parts = parts[:len(parts)-1]
	}
	if last := parts[len(parts)-1]; !endsInNumber(last) {
		return true
	}
	return isIPv4(parts)
}

func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			n, _ := strconv.ParseUint(s[i+1:i+3], 16, 8) // two hexadecimal digits
			out.WriteByte(byte(n))
			i += 2
			continue
		}
		out.WriteByte(s[i])
	}
	return out.String()
}

// endsInNumber reports whether a last label makes a host an IPv4 address.
func endsInNumber(label string) bool {
	if label == "" {
		return false
	}
	if strings.Trim(label, "0123456789") == "" {
		return true
	}
	_, ok := ipv4Number(label)
	return ok
}

// isIPv4 reads one to four numbers, decimal, octal or hexadecimal, of which
// the last fills what the others left.
func isIPv4(parts []string) bool {
	if len(parts) > 4 {
		return false
	}
	for i, part := range parts {
		n, ok := ipv4Number(part)
		limit := uint64(255)
		if i == len(parts)-1 {
			limit = 1<<(8*(5-len(parts))) - 1
		}
		if !ok || n > limit {
			return false
		}
	}
	return true
}

func ipv4Number(s string) (uint64, bool) {
	base := 10
	switch {
	case s == "":
		return 0, false
	case len(s) >= 2 && s[0] == '0' && s[1]|0x20 == 'x':
		s, base = s[2:], 16
	case len(s) >= 2 && s[0] == '0':
		s, base = s[1:], 8
	}
	if s == "" {
		return 0, true
	}
	if s[0] == '+' || s[0] == '-' || strings.Contains(s, "_") {
		return 0, false
	}
	n, err := strconv.ParseUint(s, base, 64)
	return n, err == nil
}
