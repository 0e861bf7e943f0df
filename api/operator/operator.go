// Package operator has the operations for operators: dead letters and their redrives,
// workers, and the audit. The command line prints the same types as JSON.
package operator

import (
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/order/flow"
)

type service struct {
	api   huma.API
	pool  *pgxpool.Pool
	queue *flow.Queue // enqueues the jobs of redrives
}

// Register adds the operations.
func Register(api huma.API, pool *pgxpool.Pool, queue *flow.Queue) {
	s := &service{api: api, pool: pool, queue: queue}

	s.registerDeadLetters()
	s.registerRedrives()
	s.registerBulkRedrive()
	s.registerBulkResolve()
	s.registerWorkers()
	s.registerAudit()
	s.registerActions()
	s.registerReports()
}

// exampleTime and exampleOrderID are those of the document's examples.
var (
	exampleTime    = time.Date(2026, time.January, 5, 9, 30, 0, 0, time.UTC)
	exampleOrderID = uuid.MustParse("019b8d92-5f40-7bb3-8d6c-2c1fbd0d4a11")
)
