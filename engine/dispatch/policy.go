package dispatch

import (
	"fmt"
	"net/netip"
	"slices"
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
	if name, known := infrastructure[to.Port()]; known {
		return &forbiddenError{fmt.Sprintf("port %d is the port of %s, not of a worker", to.Port(), name)}
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
