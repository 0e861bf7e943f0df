package order

import (
	"net/mail"
	"strings"
)

// A Contact is how an order's customer is told what becomes of it.
type Contact struct {
	Email  string // empty for none. It is personal data, so what reads orders leaves it out.
	Locale Locale // empty for [English]
}

// A Locale is the language of messages, as a BCP 47 tag.
type Locale string

// The locales.
const (
	English           Locale = "en"
	SimplifiedChinese Locale = "zh-CN"
)

// Locales lists them.
func Locales() []Locale { return []Locale{English, SimplifiedChinese} }

// OrDefault is the locale, or English if there is none.
func (l Locale) OrDefault() Locale {
	if l == "" {
		return English
	}

	return l
}

const maxEmail = 254 // RFC 5321 allows a path of 256 characters, with its brackets

// IsEmail tells whether mail can be sent to an address. It refuses names beside the address,
// quoted and non-ASCII local parts, and domains in brackets: not all servers take these.
func IsEmail(address string) bool {
	strange := strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"()<>[]\,;:`, r) })
	if strange || len(address) > maxEmail {
		return false
	}

	parsed, err := mail.ParseAddress(address)

	return err == nil && parsed.Address == address
}
