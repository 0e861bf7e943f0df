package access

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"golang.org/x/time/rate"
)

// However many addresses fail, the memory is bounded, and an address that fails on stays limited.
func TestFailuresAreBounded(t *testing.T) {
	t.Parallel()

	f := failures{by: map[netip.Prefix]*rate.Limiter{}}

	for n := range uint32(3 * maxAddresses) {
		f.count(netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, n))))
	}

	if len(f.by) > maxAddresses {
		t.Errorf("%d addresses", len(f.by))
	}

	last := netip.MustParseAddr("198.51.100.7")
	for range failureBurst {
		if f.count(last) != 0 {
			t.Fatal("it is refused too early")
		}
	}

	if f.count(last) == 0 || f.wait(last) == 0 {
		t.Error("it is not refused")
	}
}

// One sender has a whole network of IPv6.
func TestANetworkIsOneAddress(t *testing.T) {
	t.Parallel()

	if network(netip.MustParseAddr("2001:db8::1")) != network(netip.MustParseAddr("2001:db8::ffff:2")) {
		t.Error("two addresses of a network differ")
	}

	if network(netip.MustParseAddr("192.0.2.1")) == network(netip.MustParseAddr("192.0.2.2")) {
		t.Error("two addresses of IPv4 are one")
	}
}
