// Package session makes sessions of Postgres what the program relies on, also through a
// pooler, and finds out what they lack.
package session

import (
	"strconv"
	"time"
)

// Bounds on what one statement or lock may take. Callers have shorter deadlines of
// their own: these hold when the owner of a connection is gone.
const (
	StatementTimeout  = 30 * time.Second
	lockTimeout       = 10 * time.Second
	idleInTransaction = 30 * time.Second
)

// How statements are planned. A queue's tables are empty at night and full at
// noon: a plan that was made for an empty table, and kept, reads the full one from
// end to end until the next ANALYZE (measured: a quarter of the throughput). So
// each statement is planned for the table as it is, which batches make cheap. The
// pages of current work are in memory, hence the low cost of random access.
const (
	planFresh      = "force_custom_plan"
	randomPageCost = "1.1" // of a sequential page's; Postgres' default of 4 is for rotating disks
)

// Settings are the settings of each session, beside its name and time zone.
func Settings() map[string]string {
	return map[string]string{
		"statement_timeout":                   milliseconds(StatementTimeout),
		"lock_timeout":                        milliseconds(lockTimeout),
		"idle_in_transaction_session_timeout": milliseconds(idleInTransaction),
		"plan_cache_mode":                     planFresh,
		"random_page_cost":                    randomPageCost,
	}
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
