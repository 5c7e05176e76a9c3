package dispatch

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// policy says which addresses a dispatch may connect to. It is asked with the
// resolved address right before the connection is made, so neither a name that
// resolves differently the second time nor an odd spelling of an address gets
// past it.
type policy struct{ o Options }

// forbiddenError is an address that policy refuses, as a sentence.
type forbiddenError struct{ reason string }

func (e *forbiddenError) Error() string { return e.reason }

// control has the signature of net.Dialer.Control.
func (p policy) control(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return &forbiddenError{fmt.Sprintf("%q is not an address and port", address)}
	}
	if err := p.check(to); err != nil {
		return err
	}
	return nil
}

// metadata are the addresses at which clouds hand credentials to whoever asks.
var metadata = []netip.Prefix{
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("fd00:ec2::254/128"),
	netip.MustParsePrefix("100.100.100.200/32"),
	netip.MustParsePrefix("168.63.129.16/32"),
	netip.MustParsePrefix("192.0.0.192/32"),
}

// translated are IPv6 ranges whose last four bytes are an IPv4 address that a
// gateway connects to.
var translated = []netip.Prefix{
	netip.MustParsePrefix("64:ff9b::/96"),
	netip.MustParsePrefix("::/96"),
}

var (
	thisNetwork = netip.MustParsePrefix("0.0.0.0/8")
	reserved    = netip.MustParsePrefix("240.0.0.0/4") // with the broadcast address
)

// infrastructure are ports no worker listens on and much depends on.
var infrastructure = map[uint16]string{
	22: "SSH", 25: "SMTP", 2375: "Docker", 5432: "PostgreSQL", 6379: "Redis",
}

// check returns the reason to refuse an address, or nil.
func (p policy) check(to netip.AddrPort) *forbiddenError {
	refuse := func(what string) *forbiddenError {
		return &forbiddenError{fmt.Sprintf("%s is %s", to.Addr(), what)}
	}
	ip := embedded(to.Addr().Unmap().WithZone(""))
	for _, prefix := range metadata {
		if prefix.Contains(ip) {
			return refuse("a cloud metadata address")
		}
	}
	switch {
	case ip.IsUnspecified() || thisNetwork.Contains(ip):
		return refuse("not the address of a host")
	case ip.IsMulticast():
		return refuse("a multicast address")
	case ip.IsLinkLocalUnicast():
		return refuse("a link-local address")
	case reserved.Contains(ip):
		return refuse("a reserved address")
	case len(p.o.Allow) > 0 && !slices.ContainsFunc(p.o.Allow, func(network netip.Prefix) bool { return network.Contains(ip) }):
		return refuse("in none of the networks that this installation has its workers in")
	}
	for _, own := range p.o.Own {
		if own.Port() == to.Port() && sameHost(own.Addr().Unmap(), ip) {
			return &forbiddenError{fmt.Sprintf("%s is the engine's own address", to)}
		}
	}
	return checkPort(to.Port())
}

func checkPort(port uint16) *forbiddenError {
	if name, known := infrastructure[port]; known {
		return &forbiddenError{fmt.Sprintf("port %d is the port of %s, not of a worker", port, name)}
	}
	return nil
}

// metadataNames lead to metadata addresses, wherever they are asked for.
var metadataNames = []string{"metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"}

// CheckAddress says of a base URL that no dispatch to it could ever be made,
// before it is stored: it is no base URL, or names an address or port that
// policy refuses. It asks no name server: what a name leads to is judged at
// each connection.
func (c *Client) CheckAddress(baseURL string) error {
	e, problem := newEndpoint(baseURL)
	if problem != "" {
		return &forbiddenError{problem}
	}
	host, portText, err := net.SplitHostPort(e.address)
	if err != nil {
		return &forbiddenError{fmt.Sprintf("Worker address %q is not a URL", baseURL)}
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil || port == 0 {
		return &forbiddenError{fmt.Sprintf("Worker address %q has no port that can be connected to", baseURL)}
	}
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	if slices.Contains(metadataNames, name) {
		return &forbiddenError{fmt.Sprintf("Worker address %q is refused: %s is a cloud metadata address", baseURL, name)}
	}
	refused := checkPort(uint16(port)) // wherever the name leads
	if name == "localhost" {
		refused = policy{c.o}.check(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port)))
		if refused != nil {
			refused = policy{c.o}.check(netip.AddrPortFrom(netip.IPv6Loopback(), uint16(port)))
		}
	} else if ip, err := netip.ParseAddr(name); err == nil {
		refused = policy{c.o}.check(netip.AddrPortFrom(ip, uint16(port)))
	}
	if refused != nil {
		return &forbiddenError{fmt.Sprintf("Worker address %q is refused: %s", baseURL, refused)}
	}
	return nil
}

// embedded returns the IPv4 address inside a translated one, and any other
// address as it is.
func embedded(ip netip.Addr) netip.Addr {
	for _, prefix := range translated {
		if prefix.Contains(ip) && !ip.IsLoopback() && !ip.IsUnspecified() {
			bytes := ip.As16()
			return netip.AddrFrom4([4]byte(bytes[12:]))
		}
	}
	return ip
}

// sameHost reports whether ip reaches the socket that listens on own.
func sameHost(own, ip netip.Addr) bool {
	return own == ip || ip.IsLoopback() && (own.IsUnspecified() || own.IsLoopback())
}
