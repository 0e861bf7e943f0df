package db

import (
	"crypto/rand"
	"fmt"
	"os"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
)

// sessions is the application_name of this process's sessions, and of nobody
// else's: whoever finds its workers dead can end what their transactions hold.
var sessions = "orders " + NewName()

// NewName makes a name for what this process runs, unique among all that share
// the database: host, process id, and letters for when those two come again. It
// leaves room in the 63 bytes that Postgres keeps of an application_name.
func NewName() string {
	const hostLength, letters = 32, 6

	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}

	return fmt.Sprintf("%.*s-%d-%s", hostLength, host, os.Getpid(), strings.ToLower(rand.Text()[:letters]))
}

// sessionsOf is the application_name by which the pool's sessions can be told
// from others; empty when its url names another.
func sessionsOf(pool *pgxpool.Pool) string {
	if pool.Config().ConnConfig.RuntimeParams["application_name"] == sessions {
		return sessions
	}

	return ""
}
