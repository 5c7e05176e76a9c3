package enroll

import (
	"fmt"
	"net/url"
	"strings"

	"pipedai/internal/localnet"
)

// NormalizeURL returns the base URL of a control plane as it is used for keys
// and comparisons: no trailing slash, host in lower case. Credentials travel to
// it, so it must be https, or http on this machine's loopback.
func NormalizeURL(raw string) (string, error) {
	text := strings.TrimRight(strings.TrimSpace(raw), "/")
	u, err := url.Parse(text)
	switch {
	case text == "":
		return "", fmt.Errorf("the URL of the control plane is empty")
	case err != nil || u.Host == "" || u.Opaque != "":
		return "", fmt.Errorf("%q is not the URL of a control plane: it looks like https://api.example.com", raw)
	case u.User != nil:
		return "", fmt.Errorf("the URL of the control plane must not carry a user name or password")
	case u.RawQuery != "" || u.Fragment != "":
		return "", fmt.Errorf("the URL of the control plane must not carry a query or fragment")
	case u.Scheme == "https":
	case u.Scheme == "http" && localnet.IsLoopback(u.Hostname()):
	case u.Scheme == "http":
		return "", fmt.Errorf("%s would send credentials in the clear: use https:// (http is for control planes on this machine only)", text)
	default:
		return "", fmt.Errorf("%q is not the URL of a control plane: it must start with https://", raw)
	}
	u.Host = strings.ToLower(u.Host)
	return u.String(), nil
}

// sameParty reports whether an answer that names another base URL than the one
// the person typed still names the same machine: equal hosts, or both on
// loopback.
func sameParty(typed, answered string) bool {
	a, errA := url.Parse(typed)
	b, errB := url.Parse(answered)
	if errA != nil || errB != nil {
		return false
	}
	return a.Host == b.Host || localnet.IsLoopback(a.Hostname()) && localnet.IsLoopback(b.Hostname())
}

// sameBase reports whether two base URLs lead to one control plane. One on
// this machine goes by several names: what is reached as localhost may call
// itself 127.0.0.1.
func sameBase(left, right string) bool {
	a, errA := url.Parse(strings.TrimRight(left, "/"))
	b, errB := url.Parse(strings.TrimRight(right, "/"))
	if errA != nil || errB != nil {
		return left == right
	}
	if localnet.IsLoopback(a.Hostname()) && localnet.IsLoopback(b.Hostname()) {
		return a.Port() == b.Port() && a.Path == b.Path
	}
	return a.Scheme == b.Scheme && strings.EqualFold(a.Host, b.Host) && a.Path == b.Path
}
