package controlplane

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"pipedai/pipeline"
)

// BaseURLs says where services are reached that announce an address which
// leads elsewhere from here: workers in the field can only announce localhost.
// The zero value believes every announcement. Whether a dispatch may go there
// is decided when it is made, by the dispatch policy, whatever this says.
type BaseURLs struct {
	// Loopback replaces an announced loopback host by the address that the
	// announcement came from, unless that is a loopback address, too.
	Loopback bool
	// Services are fixed base URLs, by service; they win.
	Services map[pipeline.ServiceID]string
}

// of is the base URL to store for a service. Forwarding headers are not
// believed: any client can write them.
func (b BaseURLs) of(service pipeline.ServiceID, announced *url.URL, r *http.Request) string {
	if fixed, known := b.Services[service]; known {
		return strings.TrimRight(fixed, "/")
	}
	out := *announced
	if peer, err := netip.ParseAddr(addressOf(r)); err == nil && b.Loopback && loopbackName(announced.Hostname()) && !peer.Unmap().IsLoopback() {
		out.Host = peer.Unmap().WithZone("").String()
		if port := announced.Port(); port != "" {
			out.Host = net.JoinHostPort(out.Host, port)
		} else if peer.Unmap().Is6() {
			out.Host = "[" + out.Host + "]"
		}
	}
	return strings.TrimRight(out.String(), "/")
}

// loopbackName reports whether a host can only mean the machine that says it.
func loopbackName(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && (address.Unmap().IsLoopback() || address.IsUnspecified())
}
