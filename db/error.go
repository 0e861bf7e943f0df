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

// SQLSTATEs and classes of them that are told apart here.
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

// ErrUnavailable is wrapped by errors of this program that mean the same as an
// unreachable server: nothing was done, and a retry may succeed.
var ErrUnavailable = errors.New("unavailable")

// Error gives an error of the database a code, by SQLSTATE, never by text. Data that
// Postgres cannot store is [order.Invalid]; a fault of the server or of the network
// is [order.Unavailable]. An error that has a code keeps it; any other error stays as
// it is.
func Error(err error) error {
	if err == nil {
		return nil
	}

	if _, coded := errors.AsType[*order.Error](err); coded {
		return err
	}

	if Unavailable(err) {
		return order.Errorf(order.Unavailable, "The service cannot reach its database at the moment; try again.").Because(err)
	}

	if strings.HasPrefix(sqlState(err), classDataException) {
		return order.Errorf(order.Invalid,
			"A value cannot be stored: it is out of range or holds a character that text may not.").Because(err)
	}

	return err
}

// Unavailable tells whether an error is a fault of the server or of the network, and
// not of the statement. An error of pgx without an SQLSTATE counts as such a fault: a
// cut or refused connection, or a deadline.
func Unavailable(err error) bool {
	if errors.Is(err, ErrCommitUnknown) || errors.Is(err, ErrUnavailable) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return true
	}

	// The server refused the connection, for instance because it has too many: no statement was at fault.
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

// LockNotAvailable tells whether a statement has waited for a lock for too long.
func LockNotAvailable(err error) bool { return sqlState(err) == lockNotAvailable }

// Conflicted tells whether the same transaction may run again unchanged.
func Conflicted(err error) bool {
	state := sqlState(err)

	return state == serializationFailure || state == deadlockDetected
}

func sqlState(err error) string {
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pgErr.Code
	}

	return ""
}
