package settings

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

const form = "postgres://user:password@host:5432/database" //nolint:gosec // an example

// errEncode is for addresses that are cut at a character of the user's name or password.
var errEncode = errors.New("it is not a URL: write " + form + ", and percent-encode special characters of user and password " +
	"(# is %23, % is %25, / is %2F, : is %3A, ? is %3F, @ is %40)")

// CheckDatabaseURL finds mistakes in the address of a database. Its errors do not repeat
// the address, which may have a password.
func CheckDatabaseURL(address string) error {
	scheme, _, isURL := strings.Cut(address, "://")

	switch {
	case address == "", !isURL && strings.Contains(address, "="): // libpq's other form: host=… dbname=…
		return nil
	case !isURL:
		return errors.New("it is not a URL: write " + form)
	case scheme != "postgres" && scheme != "postgresql":
		return fmt.Errorf("it begins with %s://, and orders needs Postgres: write %s", scheme, form)
	}

	u, err := url.Parse(address)
	if err != nil || u.Fragment != "" {
		return errEncode
	}

	// An @ behind the host was meant to end the password.
	if u.User == nil && u.Host != "" && strings.Contains(u.Path+u.RawQuery, "@") {
		return errEncode
	}

	return nil
}
