package console

import (
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/api/console/page"
	"orders/api/operation"
	"orders/db"
	"orders/db/audit"
	"orders/db/gauge"
)

type auditPage struct {
	page.Links

	Runs       []audit.Run
	CoveredTo  *time.Time
	Invariants []invariantRow
	Findings   []findingRow
	Open       int64
	Most       int64 // up to which open findings are counted
}

// An invariantRow is an invariant with its last result.
type invariantRow struct {
	audit.Invariant

	Open int64
}

// A findingRow is a finding with the page of its subject.
type findingRow struct {
	audit.Finding

	Address string // empty if there is none
}

var findingList = operation.List[audit.Finding, audit.Position]{
	Name: "console-findings",
	Position: func(f audit.Finding) audit.Position {
		return audit.Position{ResolvedAt: f.ResolvedAt, Invariant: f.Invariant, Subject: f.Subject}
	},
}

func (c *console) audit(r *http.Request) (page.View, error) {
	v := page.View{Template: "audit", Title: "Audit", Section: "audit", Refresh: 10}
	p := auditPage{Most: gauge.Most}

	findings, next, err := findingList.Page(page.Of(r), func(after *audit.Position, limit int) (findings []audit.Finding, err error) {
		err = db.Snapshot(r.Context(), c.Pool, func(tx pgx.Tx) (err error) {
			if err = p.read(r, tx); err != nil {
				return err
			}

			findings, err = audit.Findings(r.Context(), tx, after, limit)

			return err
		})

		return findings, err
	})

	for _, f := range findings {
		p.Findings = append(p.Findings, findingRow{f, addressOf(f)})
	}

	p.Links = page.LinksOf(r, next)
	v.Data = p

	if p.First != "" {
		v.Refresh = 0
	}

	return v, err
}

func (p *auditPage) read(r *http.Request, tx pgx.Tx) (err error) {
	if p.Runs, err = audit.Runs(r.Context(), tx); err != nil {
		return err
	}

	if p.CoveredTo, err = audit.CoveredTo(r.Context(), tx); err != nil {
		return err
	}

	findings, err := gauge.OpenFindings(r.Context(), tx)
	if err != nil {
		return err
	}

	open := map[string]int64{}
	for _, f := range findings {
		open[f.Invariant] = f.Open
		p.Open += f.Open
	}

	for _, i := range audit.Invariants() {
		p.Invariants = append(p.Invariants, invariantRow{i, open[i.Name]})
	}

	return nil
}

// addressOf is the page of a finding's subject.
func addressOf(f audit.Finding) string {
	switch _, err := uuid.Parse(f.Subject); {
	case err == nil:
		return "/console/orders/" + f.Subject
	case f.Invariant == "stock-balance":
		return productAddress(f.Subject)
	case f.Invariant == "points-balance":
		return pointsAddress(f.Subject)
	default:
		return ""
	}
}
