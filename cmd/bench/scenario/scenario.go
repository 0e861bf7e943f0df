// Package scenario runs the scenarios: each in a database of its own, with real
// processes under load, and with a check of the work that was done.
package scenario

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"orders/cmd/bench/baseline"
	"orders/cmd/bench/load"
	"orders/cmd/bench/receiver"
)

// A Scenario is a run, and how it differs from the plain one.
type Scenario struct {
	name        string
	group       string // by which several are chosen; empty for none
	description string
	work        load.Workload

	// How the database is prepared. A shared one is prepared once, for all runs of the scenario.
	placed  int    // orders to place without HTTP
	prepare string // a file of SQL
	shared  bool

	orders    int           // the most of a run; 0 for as many as are asked for
	rate      float64       // open model, at this share of capacity; 0 for the closed model
	duration  time.Duration // of the load; 0 until the orders are placed
	killAfter time.Duration // when a worker is killed
	backlog   bool          // the run does not wait until the orders have settled
	once      bool          // one run shows what the scenario is about

	observers []observer // besides the load, until the end of the run

	receivers  []receiver.Mode // of webhooks, one each
	outage     bool            // the last receiver is bad until the end of the load
	capacityOf string          // the scenario that measures the capacity; spread if it is empty or was not run

	distance time.Duration // a round trip between the processes and Postgres takes so much longer

	processes int               // of serve and of work each; 0 for one
	settings  map[string]string // of the processes
	baseline  []string          // commands of this program instead of these

	// Measures orders a second without processes.
	alone func(ctx context.Context, pool *pgxpool.Pool, orders int) (perSecond float64, err error)
}

type observer func(*measurement, context.Context) error

// plainName is the scenario that others are compared with.
const plainName = "spread"

// brokerRecipe are the commands of the broker recipe.
var brokerRecipe = []string{"broker serve", "broker work"}

// NeedsBroker tells whether the scenario runs on RabbitMQ.
func (s Scenario) NeedsBroker() bool { return slices.Equal(s.baseline, brokerRecipe) }

// all are the scenarios in the order they run.
func all(d Durations) []Scenario {
	spread := load.Spread
	hot := load.Workload{SKUs: 1, Lines: 1}
	mixed := spread
	mixed.Cancelled, mixed.Held, mixed.OutOfStock = 0.10, 0.10, 0.05

	return []Scenario{
		{
			name: "textbook", description: "the same service as in River's documentation",
			work: spread, baseline: []string{"textbook serve"}, orders: 2000,
		},
		{name: "broker", description: "the same service with an outbox and RabbitMQ", work: spread, baseline: brokerRecipe, orders: 3000},
		{name: "broker hot", description: "the same, every order the same sku", work: hot, baseline: brokerRecipe, orders: 3000},
		{name: "ceiling", description: "River alone: three jobs an order that do nothing, inserted beforehand", alone: baseline.Ceiling},
		{name: "floor", description: "the effects' SQL alone, in batches on one connection, without River", alone: baseline.Floor},
		{name: plainName, description: "1,000 skus, 2 lines an order, closed model", work: spread},
		{name: "hot", description: "every order the same sku", work: hot},
		{name: "2 processes", description: "spread with 2 serve and 2 work", work: spread, processes: 2, once: true},
		{name: "4 processes", description: "spread with 4 serve and 4 work", work: spread, processes: 4, once: true},
		{
			name: "distant", description: "spread with 1 ms to Postgres and back, as between zones of a cloud",
			work: spread, distance: time.Millisecond, once: true,
		},
		{
			name: "latency", description: "open model at a third of capacity",
			work: spread, rate: 1. / 3, duration: 10 * time.Second, observers: []observer{(*measurement).commitAlone},
		},
		{
			name: "overload", description: "open model at three times capacity",
			work: spread, rate: 3, duration: 12 * time.Second, settings: map[string]string{"ORDERS_MAX_WAIT": "3s"}, once: true,
		},
		{
			name:        "killed",
			description: fmt.Sprintf("2 serve and 2 work at three times capacity; one work is killed after %s", d.KillAfter),
			work:        spread, rate: 3, duration: d.KillAfter + takeOverWithin, killAfter: d.KillAfter, processes: 2, once: true,
			settings: map[string]string{"ORDERS_MAX_WAIT": "30s"}, observers: []observer{(*measurement).killWorker},
		},
		{name: "mixed", description: "10 % are cancelled, 10 % held, 5 % out of stock", work: mixed, once: true},
		{
			name: "slow", description: "5 % of the notifications fail at first",
			work: spread, prepare: "slow", orders: 10_000, once: true,
		},
		{
			name: "backlog", description: "333,333 orders wait in shared jobs, and orders are placed as fast as possible",
			work: spread, placed: 2, prepare: "backlog", shared: true, backlog: true, duration: 12 * time.Second,
		},
		{name: "history", description: "1,000,000 settled orders", work: spread, prepare: "history", shared: true},
	}
}

// Durations are those that can be chosen.
type Durations struct {
	Soak      time.Duration // of a soak instead of the scenarios; 0 for none
	KillAfter time.Duration // how long the overload lasts before a worker is killed
	Outage    time.Duration // of the receiver of a webhook
}

// Choose returns the named scenarios, or all without a name but those of a group. If one needs the capacity, the scenario that
// measures it is added.
func Choose(names []string, d Durations) ([]Scenario, error) {
	known := append(all(d), webhooks(d.Outage)...)

	switch {
	case d.Soak > 0:
		names = []string{"soak"} // as in production, pruning, vacuum and checkpoints run
		known = append(known, Scenario{
			name: "soak", description: fmt.Sprintf("open model at 80 %% of capacity for %s", d.Soak),
			work: load.Spread, rate: 0.8, duration: d.Soak, observers: []observer{(*measurement).sampleQueue}, shared: true, once: true,
		})
	case len(names) == 0:
		return slices.DeleteFunc(known, func(s Scenario) bool { return s.group != "" }), nil
	}

	for _, name := range names {
		if !slices.ContainsFunc(known, func(s Scenario) bool { return s.name == name || s.group == name }) {
			return nil, fmt.Errorf("no scenario %q; bench --help lists them", name)
		}
	}

	chosen := func(s Scenario) bool {
		return slices.Contains(names, s.name) || s.group != "" && slices.Contains(names, s.group)
	}

	for _, s := range known {
		if s.rate > 0 && chosen(s) && !slices.Contains(names, plainName) {
			names = append(names, cmp.Or(s.capacityOf, plainName))
		}
	}

	return slices.DeleteFunc(known, func(s Scenario) bool { return !chosen(s) }), nil
}
