package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"orders/db"
)

type workersCmd struct {
	JSON bool `name:"json" help:"For scripts: an array, as GET /workers has it."`
}

// Run lists the worker processes.
func (c workersCmd) Run(p *program) error {
	pool, err := openChecked(p)
	if err != nil {
		return err
	}
	defer pool.Close()

	workers, err := db.Workers(p.ctx, pool)
	if err != nil {
		return err
	}

	if c.JSON {
		return json.NewEncoder(p.stdout).Encode(workers)
	}

	return writeTable(p.stdout, workersTable(workers), "table")
}

func workersTable(workers []db.Worker) db.Table {
	t := db.Table{Columns: []string{
		"id", "alive", "host", "pid", "version", "queues", "running", "returned", "started_at", "seen_at", "ended_at",
	}}

	for _, w := range workers {
		var ended any // null while it lives
		if w.EndedAt != nil {
			ended = *w.EndedAt
		}

		t.Rows = append(t.Rows, []any{
			w.ID, w.Alive, w.Host, int64(w.PID), w.Version, queuesText(w.Queues), w.Running, w.Returned, w.StartedAt, w.SeenAt, ended,
		})
	}

	return t
}

// queuesText is such as "inventory:500 points:500".
func queuesText(queues map[string]int) string {
	words := make([]string, 0, len(queues))

	for _, queue := range slices.Sorted(maps.Keys(queues)) {
		words = append(words, fmt.Sprintf("%s:%d", queue, queues[queue]))
	}

	return strings.Join(words, " ")
}
