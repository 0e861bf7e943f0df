package session

import (
	"errors"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"
)

// Lacks tells whether the database does not have what a statement uses, as some distributed
// databases lack NOTIFY and advisory locks.
func Lacks(err error) bool {
	refused, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return false
	}

	switch refused.Code {
	case pgerrcode.FeatureNotSupported, pgerrcode.UndefinedFunction, pgerrcode.InsufficientPrivilege:
		return true
	}

	return false
}
