package mail

import (
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"strconv"
	"strings"

	gomail "github.com/wneessen/go-mail"

	"orders/order"
)

const (
	submissionPort  = 587 // RFC 6409
	submissionsPort = 465 // RFC 8314
)

// A server is what SMTP_URL says.
type server struct {
	host           string
	port           int
	user, password string
	implicitTLS    bool // from the first byte on
	policy         gomail.TLSPolicy
}

var policies = map[string]gomail.TLSPolicy{
	"":              gomail.TLSMandatory,
	"mandatory":     gomail.TLSMandatory,
	"opportunistic": gomail.TLSOpportunistic,
	"none":          gomail.NoTLS,
}

// parse reads an address such as smtp://user:password@host:587?tls=mandatory. Its errors do not repeat
// the address, which may have a password.
func parse(address string) (s server, err error) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.Scheme != "smtp" && u.Scheme != "smtps" || strings.Trim(u.Path, "/") != "" {
		return s, errors.New("it is not an address of a mail server; write smtp://user:password@host:587 or smtps://host")
	}

	s = server{host: u.Hostname(), port: submissionPort, user: u.User.Username(), implicitTLS: u.Scheme == "smtps"}
	s.password, _ = u.User.Password()

	if s.implicitTLS {
		s.port = submissionsPort
	}

	if u.Port() != "" {
		if s.port, err = strconv.Atoi(u.Port()); err != nil || s.port < 1 || s.port > 65535 {
			return s, errors.New("its port is not a number from 1 to 65535")
		}
	}

	query := u.Query()

	policy, known := policies[query.Get("tls")]
	if !known {
		return s, errors.New("its tls is one of mandatory, opportunistic and none")
	}

	query.Del("tls")

	if len(query) > 0 || s.implicitTLS && u.RawQuery != "" {
		return s, errors.New("behind its question mark it may have tls=mandatory|opportunistic|none, and only if it begins with smtp://")
	}

	s.policy = policy

	return s, nil
}

// CheckURL refuses an address of a mail server that cannot be used.
func CheckURL(address string) error {
	_, err := parse(address)

	return err
}

// CheckFrom refuses a sender that mail cannot have.
func CheckFrom(from string) error {
	parsed, err := mail.ParseAddress(from)
	if err != nil || !order.IsEmail(parsed.Address) || strings.ContainsFunc(from, func(r rune) bool { return r < ' ' }) {
		return errors.New("it is not an address; write Orders <orders@shop.example>")
	}

	return nil
}

// Redacted is the address of a mail server without its password.
func Redacted(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "(not shown)"
	}

	if _, has := u.User.Password(); has {
		u.User = url.UserPassword(u.User.Username(), "xxxxx")
	}

	return u.String()
}

// messageID is the same whenever the mail of an event is sent: a receiver that has it can drop the second one.
func messageID(event, domain string) string {
	return fmt.Sprintf("%s@%s", strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.' {
			return r
		}

		return '.'
	}, event), domain)
}
