package deliver

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// private are the address ranges that are not public, beside those that package netip knows. From the registries of
// special-purpose addresses of the IANA (RFC 6890).
var private = prefixes(
	"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
	"198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
	"64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "fec0::/10",
)

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		list[i] = netip.MustParsePrefix(text)
	}

	return list
}

// A privateAddressError is one that events are not sent to.
type privateAddressError struct{ addr netip.Addr }

func (r *privateAddressError) Error() string {
	return fmt.Sprintf("%s is not a public address; ORDERS_WEBHOOK_ALLOW_PRIVATE allows it", r.addr)
}

// public tells whether an address is one of the public internet.
func public(addr netip.Addr) bool {
	addr = addr.Unmap()

	if !addr.IsGlobalUnicast() || addr.IsPrivate() {
		return false
	}

	for _, p := range private {
		if p.Contains(addr) {
			return false
		}
	}

	return true
}

// dialer looks at the address of each connection after its name was resolved: a name that resolves to another
// address at the second question cannot lead into the network of the workers.
func dialer(allowPrivate bool) *net.Dialer {
	d := &net.Dialer{Timeout: sendTimeout / 3, KeepAlive: time.Minute} //nolint:mnd // a part of the whole

	if !allowPrivate {
		d.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
			at, err := netip.ParseAddrPort(address)
			if err != nil {
				return fmt.Errorf("parse address: %w", err)
			}

			if !public(at.Addr()) {
				return &privateAddressError{addr: at.Addr()}
			}

			return nil
		}
	}

	return d
}
