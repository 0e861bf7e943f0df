package access

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"orders/order"
)

// A Proxy is a trusted proxy that signs users on and names them in a header, as oauth2-proxy
// does.
type Proxy struct {
	addresses    []netip.Prefix
	userHeader   string
	groupsHeader string
	roles        map[string][]Role // of a group
}

// NewProxy makes a proxy of its settings: the addresses that may send the headers, the names
// of the headers, and the roles of groups, as group=role.
func NewProxy(addresses []string, userHeader, groupsHeader string, roles []string) (*Proxy, error) {
	p := &Proxy{userHeader: userHeader, groupsHeader: groupsHeader, roles: map[string][]Role{}}

	for _, text := range addresses {
		prefix, err := netip.ParsePrefix(text)
		if address, failed := netip.ParseAddr(text); failed == nil {
			prefix, err = netip.PrefixFrom(address, address.BitLen()), nil
		}

		if err != nil {
			return nil, fmt.Errorf("ORDERS_PROXY_ADDRESSES: %q is not an address; write 10.0.0.7 or 10.0.0.0/24", text)
		}

		p.addresses = append(p.addresses, prefix.Masked())
	}

	for _, text := range roles {
		cut := strings.LastIndex(text, "=") // a group's name may have one, as those of LDAP do
		if cut < 1 || !slices.Contains(Roles(), Role(text[cut+1:])) {
			return nil, fmt.Errorf("ORDERS_PROXY_ROLES: %q is not group=role; the roles are %s", text, words(Roles()))
		}

		p.roles[text[:cut]] = append(p.roles[text[:cut]], Role(text[cut+1:]))
	}

	if len(p.addresses) > 0 && (p.userHeader == "" || p.groupsHeader == "" || len(p.roles) == 0) {
		return nil, errors.New("ORDERS_PROXY_ADDRESSES: set ORDERS_PROXY_ROLES, too, for example sre=operator,staff=viewer")
	}

	return p, nil
}

// trusts tells whether an address is one of the proxy.
func (p *Proxy) trusts(address netip.Addr) bool {
	return p != nil && slices.ContainsFunc(p.addresses, func(prefix netip.Prefix) bool { return prefix.Contains(address) })
}

const maxUserName = 200

// user is the user that the proxy names. The headers of other senders mean nothing.
func (p *Proxy) user(r *http.Request) (user Principal, named bool) {
	if !p.trusts(peer(r)) {
		return Principal{}, false
	}

	name := strings.TrimSpace(r.Header.Get(p.userHeader))
	if name == "" || len(name) > maxUserName || len(r.Header.Values(p.userHeader)) > 1 {
		return Principal{}, false
	}

	user = Principal{Name: name, KnownBy: order.ByProxy}

	for _, header := range r.Header.Values(p.groupsHeader) {
		for group := range strings.SplitSeq(header, ",") {
			for _, role := range p.roles[strings.TrimSpace(group)] {
				if !slices.Contains(user.Roles, role) {
					user.Roles = append(user.Roles, role)
				}
			}
		}
	}

	return user, true
}

// peer is the address that a request came from: the proxy's, if there is one.
func peer(r *http.Request) netip.Addr {
	address, _ := netip.ParseAddrPort(r.RemoteAddr) // invalid, and in no prefix, if it is none

	return address.Addr().Unmap()
}

// sender is the address of who sent a request to the proxy, or to this program if there is
// no proxy.
func (p *Proxy) sender(r *http.Request) netip.Addr {
	address := peer(r)

	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		if !p.trusts(address) {
			break
		}

		before, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break
		}

		address = before.Unmap()
	}

	return address
}
