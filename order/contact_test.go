package order_test

import (
	"strings"
	"testing"

	"orders/order"
)

func TestIsEmail(t *testing.T) {
	t.Parallel()

	for address, want := range map[string]bool{
		"ada@example.com":             true,
		"a.b+c-d_e@mail.example.com":  true,
		"o'hara@example.com":          true,
		"ada@localhost":               true,
		"ada@xn--fiqs8s.example":      true,
		"":                            false,
		"ada":                         false,
		"@example.com":                false,
		"ada@":                        false,
		"ada@example..com":            false,
		"ada@@example.com":            false,
		"Ada <ada@example.com>":       false,
		"<ada@example.com>":           false,
		"ada@example.com,b@c.example": false,
		"ada@example.com\r\nBcc: x@y": false,
		"ada@example.com\n":           false,
		"ada@example.com\x00":         false,
		"ada b@example.com":           false,
		`"ada b"@example.com`:         false,
		"ada@[192.0.2.1]":             false,
		"ädä@example.com":             false,
		"ada@\u4f8b\u5b50.example":    false,
		strings.Repeat("a", 300) + "@example.com":                      false,
		strings.Repeat("a", 64) + "@" + strings.Repeat("b.", 90):       false,
		strings.Repeat("a", 64) + "@" + strings.Repeat("b.", 90) + "c": true,
	} {
		if got := order.IsEmail(address); got != want {
			t.Errorf("%q: %t", address, got)
		}
	}
}

func TestLocales(t *testing.T) {
	t.Parallel()

	if got := order.Locale("").OrDefault(); got != order.English {
		t.Errorf("the default is %q", got)
	}

	for _, l := range order.Locales() {
		if l.OrDefault() != l {
			t.Errorf("%q", l)
		}
	}
}
