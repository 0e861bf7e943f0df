// Package queue has the commands about the queues of jobs.
package queue

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/cmd/orders/output"
	"orders/cmd/orders/shell"
	"orders/db"
	"orders/db/jobqueue"
	"orders/db/report"
	"orders/jobs"
	"orders/order"
	"orders/order/flow"
	"orders/order/repair"
)

// Cmd lists, pauses and resumes queues.
type Cmd struct {
	List   listCmd   `cmd:"" help:"List the queues with their waiting work, workers and pauses."`
	Pause  pauseCmd  `cmd:"" help:"Pause queues: no job of theirs begins until they are resumed."`
	Resume resumeCmd `cmd:"" help:"Resume queues: their jobs run again."`
}

// format is how a command prints.
type format struct {
	Format string `default:"table" enum:"table,json" help:"Output format: table or json."`
}

// A Queue is a queue in JSON.
type Queue struct {
	Queue       string     `json:"queue"`
	State       string     `json:"state"`        // running, paused or no_worker
	Workers     int        `json:"workers"`      // that are alive and work the queue
	Waiting     int        `json:"waiting"`      // jobs that may run now, counted up to 16
	OldestAt    *time.Time `json:"oldest_at"`    // from when on the oldest of them might have run
	WaitSeconds float64    `json:"wait_seconds"` // for how long it has waited
	PausedAt    *time.Time `json:"paused_at"`
}

func queueOf(b jobqueue.Backlog) Queue {
	q := Queue{Queue: b.Queue, State: "running", Workers: b.Workers, Waiting: b.Waiting, PausedAt: b.Paused}

	if b.Waiting > 0 {
		q.OldestAt, q.WaitSeconds = &b.Oldest, b.At.Sub(b.Oldest).Seconds()
	}

	switch b.Obstacle() {
	case jobqueue.ObstaclePaused:
		q.State = "paused"
	case jobqueue.ObstacleNoWorker:
		q.State = "no_worker"
	case jobqueue.NoObstacle:
	}

	return q
}

type listCmd struct {
	format
}

// Run prints the queues.
func (c listCmd) Run(s *shell.Shell) error {
	return s.WithPool(func(pool *pgxpool.Pool) error { return c.print(s, pool) })
}

func (f format) print(s *shell.Shell, pool *pgxpool.Pool) error {
	backlogs, err := jobqueue.Backlogs(s.Ctx, pool, names())
	if err != nil {
		return err
	}

	if f.Format == "json" {
		return s.PrintJSON(shell.Each(backlogs, queueOf))
	}

	t := report.Table{Columns: []string{"queue", "state", "workers", "waiting", "wait", "paused_at"}}

	for _, b := range backlogs {
		q := queueOf(b)

		waiting := strconv.Itoa(q.Waiting)
		if q.Waiting == jobqueue.HeadJobs {
			waiting += " or more"
		}

		wait := time.Duration(q.WaitSeconds * float64(time.Second)).Round(time.Second).String()
		t.Rows = append(t.Rows, []any{q.Queue, q.State, int64(q.Workers), waiting, wait, output.ValueOf(q.PausedAt)})
	}

	return s.PrintTable(t)
}

type pauseCmd struct {
	Queue []string `arg:"" help:"The names of the queues, as list prints them."`
	format
}

// Run pauses the queues and lists all.
func (c pauseCmd) Run(s *shell.Shell) error { return change(s, c.Queue, c.format, repair.Pause) }

type resumeCmd struct {
	Queue []string `arg:"" help:"The names of the queues, as list prints them."`
	format
}

// Run resumes the queues and lists all.
func (c resumeCmd) Run(s *shell.Shell) error { return change(s, c.Queue, c.format, repair.Resume) }

// change changes all the queues or none. Repeating it changes nothing.
func change(s *shell.Shell, queues []string, f format, act func(context.Context, pgx.Tx, *flow.Queue, string, order.Actor) error) error {
	for _, name := range queues {
		if !slices.Contains(names(), name) {
			return fmt.Errorf("there is no queue %q; the queues are %s", name, strings.Join(names(), ", "))
		}
	}

	return s.WithPool(func(pool *pgxpool.Pool) error {
		queue, err := s.Queue(pool)
		if err != nil {
			return err
		}

		err = db.InTx(s.Ctx, pool, func(tx pgx.Tx) error {
			for _, name := range queues {
				if err := act(s.Ctx, tx, queue, name, shell.Actor()); err != nil {
					return err
				}
			}

			return nil
		})
		if err != nil {
			return shell.Refusal(err)
		}

		return f.print(s, pool)
	})
}

func names() []string { return slices.Sorted(maps.Keys(jobs.Concurrency())) }
