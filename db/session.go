package db

import (
	"crypto/rand"
	"fmt"
	"os"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
)

// sessions is the application_name of this process's sessions, and of no others: a
// worker that finds this process dead can end its open transactions by it.
var sessions = "orders " + NewName()

// NewName makes a name that is unique among all processes that share the database:
// host, process id, and random letters, because host and process id may be reused. It is
// at most 63 bytes long, which is what Postgres keeps of an application_name.
func NewName() string {
	const hostLength, letters = 32, 6

	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}

	return fmt.Sprintf("%.*s-%d-%s", hostLength, host, os.Getpid(), strings.ToLower(rand.Text()[:letters]))
}

// SessionsOf is the application_name that only this process's sessions have; empty
// when the pool's url sets another one.
func SessionsOf(pool *pgxpool.Pool) string {
	if pool.Config().ConnConfig.RuntimeParams["application_name"] == sessions {
		return sessions
	}

	return ""
}
