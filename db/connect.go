package db

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"
)

// ConnectProblem says in plain words why a connection was not made, and what to do. It is
// empty for other errors. pgx's own text has a line for each address that it tried.
func ConnectProblem(err error) string {
	failed, ok := errors.AsType[*pgconn.ConnectError](err)
	if !ok {
		return ""
	}

	at := failed.Config
	server := net.JoinHostPort(at.Host, strconv.Itoa(int(at.Port)))

	if refused, ok := errors.AsType[*pgconn.PgError](err); ok {
		return refusal(refused, at, server)
	}

	_, unknownHost := errors.AsType[*net.DNSError](err)
	network, isNetwork := errors.AsType[net.Error](err)

	switch {
	case errors.Is(err, pgconn.ErrReadOnlyConnection):
		return fmt.Sprintf("Postgres at %s takes no writes; promote a standby, or name the primary in DATABASE_URL", server)
	case unknownHost:
		return fmt.Sprintf("there is no host %q; correct it in DATABASE_URL", at.Host)
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("no Postgres listens at %s; start it, or correct host and port in DATABASE_URL", server)
	case errors.Is(err, context.DeadlineExceeded), isNetwork && network.Timeout():
		return fmt.Sprintf("Postgres at %s does not respond; check the network, and host and port in DATABASE_URL", server)
	default:
		return fmt.Sprintf("cannot connect to Postgres at %s: %s; check DATABASE_URL", server, lastCause(err))
	}
}

func refusal(refused *pgconn.PgError, at *pgconn.Config, server string) string {
	switch refused.Code {
	case pgerrcode.InvalidPassword, pgerrcode.InvalidAuthorizationSpecification:
		return fmt.Sprintf("Postgres at %s refuses user %q: %s; correct user and password in DATABASE_URL",
			server, at.User, refused.Message)
	case pgerrcode.InvalidCatalogName:
		return fmt.Sprintf("there is no database %q at %s; create it, or correct its name in DATABASE_URL", at.Database, server)
	default:
		return fmt.Sprintf("Postgres at %s refuses the connection: %s", server, refused.Message)
	}
}

// lastCause is the innermost error's text, on one line.
func lastCause(err error) string {
	for {
		if inner := errors.Unwrap(err); inner != nil {
			err = inner

			continue
		}

		return strings.Join(strings.Fields(err.Error()), " ")
	}
}
