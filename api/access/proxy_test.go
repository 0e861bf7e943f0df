package access_test

import (
	"strings"
	"testing"

	"orders/api/access"
)

// Settings of the proxy that would trust nobody, or give no roles, are mistakes.
func TestSettingsOfTheProxyAreChecked(t *testing.T) {
	t.Parallel()

	for _, c := range []struct{ address, role, want string }{
		{"10.0.0.0/8", "sre=operator", ""},
		{"10.0.0.7", "cn=sre,ou=ops=operator", ""},
		{"::1", "sre=operator", ""},
		{"proxy.internal", "sre=operator", "ORDERS_PROXY_ADDRESSES"},
		{"10.0.0.0/33", "sre=operator", "ORDERS_PROXY_ADDRESSES"},
		{"10.0.0.7", "sre", "ORDERS_PROXY_ROLES"},
		{"10.0.0.7", "sre=root", "ORDERS_PROXY_ROLES"},
		{"10.0.0.7", "=operator", "ORDERS_PROXY_ROLES"},
		{"10.0.0.7", "", "ORDERS_PROXY_ROLES"},
	} {
		var roles []string
		if c.role != "" {
			roles = []string{c.role}
		}

		_, err := access.NewProxy([]string{c.address}, "X-Forwarded-User", "X-Forwarded-Groups", roles)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: %v", c.address, c.role, err)
		}
	}
}
