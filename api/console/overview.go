package console

import (
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"orders/api/console/letters"
	"orders/api/console/page"
	"orders/db"
	"orders/db/condition"
	"orders/db/deadletter"
	"orders/db/gauge"
	"orders/db/liveness"
	"orders/db/stats"
)

type overviewPage struct {
	Wants     []want
	Counted   bool // job stats has run
	Charts    []*page.Chart
	Latencies []latencyRow
	Spans     []span
	Queues    []queueRow
	Workers   []workerRow
}

// A want is what wants a person, with where to go.
type want struct {
	Severity condition.Severity
	Text     string
	Address  string // empty if no page is about it
}

// A workerRow is a worker of the overview.
type workerRow struct {
	liveness.Worker

	Leader bool
}

func (c *console) overview(r *http.Request) (page.View, error) {
	var p overviewPage

	err := db.Snapshot(r.Context(), c.Pool, func(tx pgx.Tx) error { return p.read(r, tx) })

	return page.View{Template: "overview", Title: "Overview", Section: "overview", Refresh: 5, Data: p}, err
}

func (p *overviewPage) read(r *http.Request, tx pgx.Tx) error {
	ctx := r.Context()

	if err := p.readWants(r, tx); err != nil {
		return err
	}

	queues, at, err := gauge.Queues(ctx, tx)
	if err != nil {
		return err
	}

	flow, err := readRates(ctx, tx)
	if err != nil {
		return err
	}

	p.Queues = queueRows(queues, at, flow)

	if err := p.readWorkers(r, tx); err != nil {
		return err
	}

	p.Counted = !flow.Final.IsZero()
	if !p.Counted {
		return nil
	}

	p.Spans = flow.Spans
	p.Latencies = latencyRows(flow.Spans)

	until := at.UTC().Truncate(time.Minute).Add(time.Minute)

	counts, err := stats.Minutes(ctx, tx, until.Add(-time.Hour), until, time.Minute)
	if err != nil {
		return err
	}

	p.Charts = charts(counts, flow.Final)

	return nil
}

// pages are where an operator sees more of a condition.
var pages = map[condition.Name]string{
	condition.NoWorkers: "/console#workers", condition.NoLeader: "/console#workers",
	condition.QueuePaused: "/console/queues", condition.OldestWork: "/console/queues",
	condition.DeadLetters:   "/console/problems",
	condition.AuditFindings: "/console/audit", condition.AuditLate: "/console/audit",
	condition.OldSnapshot: "/console/reports/sessions", condition.EndpointFailing: "/console/webhooks",
}

// maxWants bounds the causes of dead letters among what wants a person: the most frequent.
const maxWants = 5

// readWants judges the conditions, and lists those that are not as they should be.
func (p *overviewPage) readWants(r *http.Request, tx pgx.Tx) error {
	reading, err := condition.Read(r.Context(), tx)
	if err != nil {
		return err
	}

	for _, is := range condition.Judge(reading, condition.DefaultLimits()) {
		if is.Severity == condition.OK {
			continue
		}

		p.Wants = append(p.Wants, want{is.Severity, is.Sentence, pages[is.Name]})

		if is.Name != condition.DeadLetters {
			continue
		}

		groups, err := deadletter.Groups(r.Context(), tx, deadletter.Filter{}, maxWants)
		if err != nil {
			return err
		}

		for _, g := range groups {
			if g.Attention > 0 {
				text := page.Number(g.Attention) + " of them: " + g.Signature
				p.Wants = append(p.Wants, want{is.Severity, text, letters.GroupAddress(g.Kind, g.Signature)})
			}
		}
	}

	return nil
}

func (p *overviewPage) readWorkers(r *http.Request, tx pgx.Tx) error {
	workers, err := liveness.List(r.Context(), tx)
	if err != nil {
		return err
	}

	leader, err := gauge.Leader(r.Context(), tx)

	for _, w := range workers {
		p.Workers = append(p.Workers, workerRow{w, w.Alive && w.ID == leader})
	}

	return err
}

// charts are the counts of each minute. Placed and settled have one scale, so that they can be compared.
func charts(counts []stats.Counts, final time.Time) []*page.Chart {
	placed := &page.Chart{Title: "Placed", Class: "placed", Final: final}
	settled := &page.Chart{Title: "Settled", Class: "settled", Final: final}
	refused := &page.Chart{Title: "Refused", Class: "refused", Final: final}

	for _, c := range counts {
		placed.Add(c.At, c.Placed)
		settled.Add(c.At, c.Settled)
		refused.Add(c.At, c.Refused)
	}

	placed.Scale = max(placed.Most(), settled.Most())
	settled.Scale = placed.Scale
	refused.Scale = refused.Most()

	return []*page.Chart{placed, settled, refused}
}
