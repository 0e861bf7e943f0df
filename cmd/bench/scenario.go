package main

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// A scenario is a run and how it differs from the plain one.
type scenario struct {
	name string
	what string
	work workload

	// prepare makes the database as the scenario wants it. With keep, it is made once, and the runs are one after
	// the other in it.
	prepare func(ctx context.Context, pool *pgxpool.Pool) error
	keep    bool

	orders   int           // of a run; 0 for as many as are asked for
	rate     float64       // open model, at this share of capacity; 0 for the closed one
	duration time.Duration // of the load; 0 until the orders are placed
	backlog  bool          // not waited for: what is settled within duration counts
	commits  bool          // measure bare commits beside it
	samples  bool          // look at the queue now and then

	processes int               // of serve and of work each; 0 for one
	settings  map[string]string // of theirs
	textbook  bool              // the baseline instead of them
	alone     baseline          // measured by itself, without any process
	once      bool              // one run is enough: it shows that something holds, not how fast it is
}

// A baseline measures what Postgres and River do by themselves; it returns orders a second.
type baseline func(ctx context.Context, url string, orders int) (float64, error)

// scenarios are all there are, in the order they are run.
func scenarios() []scenario {
	hot := workload{skus: 1, lines: 1}
	mixed := spread
	mixed.cancelled, mixed.held, mixed.scarce = 0.10, 0.10, 0.05

	return []scenario{
		{name: "textbook", what: "the same service as River's documentation has it", work: spread, textbook: true, orders: 2000},
		{name: "ceiling", what: "River alone: three jobs an order that do nothing, placed beforehand", work: spread, alone: ceiling},
		{name: "floor", what: "the effects' SQL alone, in batches on one connection, without River", work: spread, alone: floor},
		{name: "spread", what: "1,000 skus, 2 lines an order, closed model", work: spread},
		{name: "hot", what: "every order the same sku", work: hot},
		{name: "2 processes", what: "spread with 2 serve and 2 work", work: spread, processes: 2, once: true},
		{name: "4 processes", what: "spread with 4 serve and 4 work", work: spread, processes: 4, once: true},
		{
			name: "latency", what: "open model at a third of capacity",
			work: spread, rate: 1. / 3, duration: 10 * time.Second, commits: true,
		},
		{
			name: "overload", what: "open model at three times capacity",
			work: spread, rate: 3, duration: 12 * time.Second, settings: map[string]string{"ORDERS_MAX_WAIT": "3s"}, once: true,
		},
		{name: "mixed", what: "10 % are cancelled, 10 % held, 5 % out of stock", work: mixed, once: true},
		{
			name: "slow", what: "5 % of the notifications fail at first",
			work: spread, prepare: failNotifications, orders: 10_000, once: true,
		},
		{
			name: "backlog", what: "1,000,000 jobs waiting, and orders placed as fast as they are taken",
			work: spread, prepare: placeBacklog, keep: true, backlog: true, duration: 12 * time.Second,
		},
		{name: "history", what: "1,000,000 settled orders", work: spread, prepare: writeHistory, keep: true},
	}
}
