package delivery

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
)

// maxURL is the longest address of a webhook, in bytes.
const maxURL = 2_000

// CheckURL refuses an address that events cannot be sent to.
func CheckURL(address string, allowPrivate bool) error {
	u, err := url.Parse(address)

	switch {
	case len(address) > maxURL:
		return errors.New("expected a URL of at most 2000 characters")
	case err != nil || u.Host == "" || u.Hostname() == "":
		return errors.New("expected a URL such as https://shop.example/events")
	case !portIsOne(u.Port()):
		return errors.New("expected a port from 1 to 65535")
	case u.User != nil:
		return errors.New("expected a URL without user and password: the signature says who sends")
	case u.Fragment != "":
		return errors.New("expected a URL without a fragment")
	case u.Scheme != "https" && (u.Scheme != "http" || !allowPrivate):
		return errors.New("expected an https URL; ORDERS_WEBHOOK_ALLOW_PRIVATE allows http, for development")
	case !allowPrivate && u.Hostname() == "localhost":
		return errors.New("expected a public address")
	}

	if addr, err := netip.ParseAddr(u.Hostname()); err == nil && !allowPrivate && !IsPublic(addr) {
		return fmt.Errorf("expected a public address: %s is not one", addr)
	}

	return nil
}

func portIsOne(port string) bool {
	if port == "" {
		return true
	}

	n, err := strconv.ParseUint(port, 10, 16)

	return err == nil && n > 0
}

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

// IsPublic tells whether an address is one of the public internet.
func IsPublic(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("") // a prefix contains no address with a zone

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
