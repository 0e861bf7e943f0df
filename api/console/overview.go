package console

import (
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/audit"
	"orders/db/deadletter"
	"orders/db/jobqueue"
	"orders/db/liveness"
	"orders/jobs"
)

type overviewPage struct {
	Queues  []queueRow
	Workers []liveness.Worker
	Wants   []want
}

// A want is what wants a person, with where to go.
type want struct {
	Text    string
	Address string
}

// A queueRow is a queue of the overview.
type queueRow struct {
	jobqueue.Backlog

	Wait time.Duration // of its oldest job
}

func (c *console) overview(r *http.Request) (view, error) {
	var p overviewPage

	err := db.Snapshot(r.Context(), c.Pool, func(tx pgx.Tx) error { return p.read(r, tx) })

	return view{Template: "overview", Title: "Overview", Section: "overview", Refresh: 5, Data: p}, err
}

func (p *overviewPage) read(r *http.Request, tx pgx.Tx) error {
	ctx := r.Context()

	backlogs, err := jobqueue.Backlogs(ctx, tx, queueNames())
	if err != nil {
		return err
	}

	for _, b := range backlogs {
		p.Queues = append(p.Queues, queueRow{Backlog: b, Wait: b.At.Sub(b.Oldest)})
	}

	if p.Workers, err = liveness.List(ctx, tx); err != nil {
		return err
	}

	groups, err := deadletter.Groups(ctx, tx, deadletter.Filter{}, maxGroups)
	if err != nil {
		return err
	}

	findings, err := audit.OpenFindings(ctx, tx)
	if err != nil {
		return err
	}

	p.wants(groups, findings)

	return nil
}

// wants lists what wants a person.
func (p *overviewPage) wants(groups []deadletter.Group, findings map[string]int64) {
	for _, q := range p.Queues {
		if obstacle := q.Obstacle(); obstacle != jobqueue.NoObstacle {
			p.Wants = append(p.Wants, want{"Queue " + q.Queue + ": " + string(obstacle) + ".", "/console/queues"})
		}
	}

	for _, g := range groups {
		if g.Attention > 0 {
			row := groupRow{Group: g}
			p.Wants = append(p.Wants, want{number(g.Attention) + " dead letters need an operator: " + g.Signature, row.Address()})
		}
	}

	for _, i := range audit.Invariants() {
		if n := findings[i.Name]; n > 0 {
			p.Wants = append(p.Wants, want{"The audit has " + number(n) + " open findings: " + i.Name, "/console/audit"})
		}
	}
}

// queueNames are the queues of the program.
func queueNames() []string {
	return append(jobs.StepQueues(), jobs.QueueLifecycle, jobs.QueueMaintenance)
}
