package delivery

import (
	"errors"
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
