package settings

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"orders/db"
)

const form = "postgres://user:password@host:5432/database" //nolint:gosec // an example

// errEncode is for addresses that are cut at a character of the user's name or password.
var errEncode = errors.New("it is not a URL: write " + form + ", and percent-encode special characters of user and password " +
	"(# is %23, % is %25, / is %2F, : is %3A, ? is %3F, @ is %40)")

// CheckDatabaseURL finds mistakes in the address of a database. Its errors do not repeat
// the address, which may have a password.
func CheckDatabaseURL(address string) error {
	if address == "" {
		return nil
	}

	if err := checkURL(address); err != nil {
		return err
	}

	config, err := db.Config(address)
	if err != nil {
		_, cause, _ := strings.Cut(err.Error(), "`: ") // pgx repeats the address between two of them

		return fmt.Errorf("it is not an address of Postgres: %s", cause)
	}

	// An @ that was meant to be in the password has ended it, or stands behind a slash of it.
	if strings.Contains(config.ConnConfig.Host+config.ConnConfig.Database, "@") {
		return errEncode
	}

	return nil
}

func checkURL(address string) error {
	scheme, _, isURL := strings.Cut(address, "://")

	switch {
	case strings.TrimSpace(address) != address:
		return errors.New("it has a space or a line break before or after it; remove that")
	case !isURL && strings.Contains(address, "="): // libpq's other form: host=… dbname=…
		return nil
	case !isURL:
		return errors.New("it is not a URL: write " + form)
	case scheme != "postgres" && scheme != "postgresql":
		return fmt.Errorf("it begins with %s://, and orders needs Postgres: write %s", scheme, form)
	}

	u, err := url.Parse(address)
	if err != nil || u.Fragment != "" || u.User == nil && strings.Contains(u.RawQuery, "@") && u.Host != "" {
		return errEncode
	}

	return nil
}

// Redacted removes the password from a database's address, wherever it stands there.
func Redacted(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme == "" && address != "" {
		return "(set, but not shown: it is not a URL)"
	}

	if query := u.Query(); query.Has("password") || query.Has("sslpassword") {
		query.Del("password")
		query.Del("sslpassword")
		u.RawQuery = query.Encode()
	}

	return u.Redacted()
}
