package db

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"orders/order"
)

// SQLSTATEs and classes that decide something here.
// https://www.postgresql.org/docs/current/errcodes-appendix.html
const (
	classDataException        = "22"
	serializationFailure      = "40001"
	deadlockDetected          = "40P01"
	classInsufficientResource = "53"
	classOperatorIntervention = "57"
	classSystemError          = "58"
	classConnection           = "08"
	lockNotAvailable          = "55P03"
	readOnlyTransaction       = "25006"
)

// Error gives an error of the database the code of its meaning: data that
// Postgres cannot store is the caller's mistake, a fault of the server or of the
// way to it is [order.Unavailable]. An error that has a code keeps it, and one
// that means neither stays as it is. It goes by SQLSTATE, never by text.
func Error(err error) error {
	if err == nil {
		return nil
	}

	if _, coded := errors.AsType[*order.Error](err); coded {
		return err
	}

	if unavailable(err) {
		return order.Errorf(order.Unavailable, "The service cannot reach its database at the moment; try again.").Because(err)
	}

	if strings.HasPrefix(sqlState(err), classDataException) {
		return order.Errorf(order.Invalid,
			"A value cannot be stored: it is out of range or holds a character that text may not.").Because(err)
	}

	return err
}

// unavailable tells a fault of the server, or of the way to it, from a fault of
// the statement. What has no SQLSTATE (a cut connection, a refused one, a
// deadline) is the former if it came from pgx at all.
func unavailable(err error) bool {
	if errors.Is(err, ErrCommitUnknown) || errors.Is(err, ErrClosed) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return true
	}

	// Whatever the server says to a connection, such as that the database takes none: no statement was at fault.
	if _, connecting := errors.AsType[*pgconn.ConnectError](err); connecting {
		return true
	}

	state := sqlState(err)
	if state == "" {
		_, network := errors.AsType[net.Error](err)

		return network || errors.Is(err, pgconn.ErrConnClosed) ||
			errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	}

	switch state {
	case serializationFailure, deadlockDetected, lockNotAvailable, readOnlyTransaction:
		return true
	}

	switch state[:2] {
	case classConnection, classInsufficientResource, classOperatorIntervention, classSystemError:
		return true
	}

	return false
}

// conflicted tells the errors for which the same transaction may just run again.
func conflicted(err error) bool {
	state := sqlState(err)

	return state == serializationFailure || state == deadlockDetected
}

func sqlState(err error) string {
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pgErr.Code
	}

	return ""
}
