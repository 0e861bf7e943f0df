package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"orders/api/operator"
	"orders/cmd/orders/output"
	"orders/cmd/orders/shell"
	"orders/db/liveness"
	"orders/db/report"
)

type workersCmd struct {
	JSON bool `name:"json" help:"For scripts: an array, as GET /workers has it."`
}

// Run lists the worker processes.
func (c workersCmd) Run(s *shell.Shell) error {
	return s.WithPool(func(pool *pgxpool.Pool) error {
		workers, err := liveness.List(s.Ctx, pool)
		if err != nil {
			return err
		}

		if c.JSON {
			return s.PrintJSON(shell.Each(workers, operator.WorkerOf))
		}

		return s.PrintTable(workersTable(workers))
	})
}

func workersTable(workers []liveness.Worker) report.Table {
	t := report.Table{Columns: []string{
		"id", "alive", "host", "pid", "version", "queues", "running", "running_orders", "rescued", "clock_skew",
		"started_at", "seen_at", "ended_at",
	}}

	for _, w := range workers {
		t.Rows = append(t.Rows, []any{
			w.ID, w.Alive, w.Host, int64(w.PID), w.Version, queuesText(w.Queues), w.Running, w.Orders, w.Rescued,
			w.ClockSkew.Round(time.Millisecond).String(), w.StartedAt, w.SeenAt, output.ValueOf(w.EndedAt),
		})
	}

	return t
}

// queuesText writes queues with their concurrency, for example "inventory:100 points:100".
func queuesText(queues map[string]int) string {
	words := make([]string, 0, len(queues))

	for _, queue := range slices.Sorted(maps.Keys(queues)) {
		words = append(words, fmt.Sprintf("%s:%d", queue, queues[queue]))
	}

	return strings.Join(words, " ")
}
