package workers

import (
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// logged is an error's text for the log, without values that may be personal data: Postgres
// quotes the value in errors of class 22, and a step may raise any text itself (class P0).
// River keeps the whole text with the job.
func logged(err error) string {
	pgErr, isPostgres := errors.AsType[*pgconn.PgError](err)
	if isPostgres && (strings.HasPrefix(pgErr.Code, "22") || strings.HasPrefix(pgErr.Code, "P0")) {
		return "SQLSTATE " + pgErr.Code
	}

	const longest = 300

	text := err.Error()
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "…"
	}

	return text
}
