package delivery

import (
	"errors"
	"net/url"
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
	case u.User != nil:
		return errors.New("expected a URL without user and password: the signature says who sends")
	case u.Fragment != "":
		return errors.New("expected a URL without a fragment")
	case u.Scheme != "https" && (u.Scheme != "http" || !allowPrivate):
		return errors.New("expected an https URL; ORDERS_WEBHOOK_ALLOW_PRIVATE allows http, for development")
	}

	return nil
}
