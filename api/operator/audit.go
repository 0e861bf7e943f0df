package operator

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"orders/api/access"
	"orders/api/operation"
	"orders/db/audit"
)

func (s *service) registerAudit() {
	placed, audited := exampleTime, exampleTime.Add(time.Hour)

	operation.Register(s.api, huma.Operation{
		OperationID: "get-audit",
		Method:      http.MethodGet,
		Path:        "/audit",
		Tags:        []string{"audit"},
		Summary:     "Read what the audit found",
		Description: "Lists the invariants and the findings of audits. Every five minutes an audit checks new data; `orders audit` " +
			"checks all data. A finding is a product, customer, order or Idempotency-Key that broke an invariant. Open findings " +
			"come first, then resolved findings, each the newest first.",
	}, operation.Contract{
		Roles: access.ToWatch,
		Response: auditPage{
			LastRunAt: &audited,
			CoveredTo: &placed,
			Runs: []auditRun{{
				Mode: audit.Incremental, StartedAt: audited.Add(-time.Second), FinishedAt: audited, Orders: 1, Violations: 1,
			}},
			Invariants: []auditInvariant{{
				Name: "stock-balance", Open: 1,
				Sentence: "For each product, received - deducted + released = available, and available is not negative.",
			}},
			Findings: []finding{{
				Invariant: "stock-balance", Subject: "tea", FirstSeen: audited, LastSeen: audited,
				Detail: "available 99, should be 98 = received 100 - deducted 2 + released 0",
			}},
		},
		Returns: "The invariants, the last audits and a page of findings",
	}, s.getAudit)
}

type auditPage struct {
	OK         bool             `json:"ok" doc:"An audit has run, and none of its findings is open"`
	LastRunAt  *time.Time       `json:"last_run_at" doc:"When the last audit finished; null before the first"`
	CoveredTo  *time.Time       `json:"covered_to" doc:"The time up to which new data has been checked; null before the first audit"`
	Runs       []auditRun       `json:"runs" nullable:"false" doc:"The last audit of each mode"`
	Invariants []auditInvariant `json:"invariants" nullable:"false"`
	Findings   []finding        `json:"findings" nullable:"false"`

	operation.NextPage
}

type auditRun struct {
	Mode       operation.AuditMode `json:"mode"`
	StartedAt  time.Time           `json:"started_at"`
	FinishedAt time.Time           `json:"finished_at"`
	Orders     int64               `json:"orders" doc:"How many orders it checked"`
	Violations int64               `json:"violations" doc:"How many violations it found"`
}

func auditRunOf(r audit.Run) auditRun {
	return auditRun{
		Mode: operation.AuditMode(r.Mode), StartedAt: r.StartedAt, FinishedAt: r.FinishedAt, Orders: r.Orders, Violations: r.Violations,
	}
}

type auditInvariant struct {
	Name     string `json:"name"`
	Sentence string `json:"sentence" doc:"What must hold"`
	Open     int64  `json:"open" doc:"How many open findings break it"`
}

type finding struct {
	Invariant  string     `json:"invariant" doc:"The name of the invariant"`
	Subject    string     `json:"subject" doc:"The product, customer, order or Idempotency-Key that breaks it"`
	Detail     string     `json:"detail" doc:"What the data is, and what it should be"`
	FirstSeen  time.Time  `json:"first_seen"`
	LastSeen   time.Time  `json:"last_seen"`
	ResolvedAt *time.Time `json:"resolved_at" doc:"When an audit checked again and found that the invariant holds; null while the finding is open"`
}

func findingOf(f audit.Finding) finding { return finding(f) }

var findingList = operation.List[audit.Finding, audit.Position]{
	Name: "findings.2",
	Position: func(f audit.Finding) audit.Position {
		return audit.Position{ResolvedAt: f.ResolvedAt, Invariant: f.Invariant, Subject: f.Subject}
	},
}

func (s *service) getAudit(ctx context.Context, in *struct{ operation.Page }) (auditPage, error) {
	findings, next, err := findingList.Page(in.Page, func(after *audit.Position, limit int) ([]audit.Finding, error) {
		return audit.Findings(ctx, s.pool, after, limit)
	})
	if err != nil {
		return auditPage{}, err
	}

	page := auditPage{Findings: operation.Each(findings, findingOf), NextPage: next}

	runs, err := audit.Runs(ctx, s.pool)
	if err != nil {
		return page, err
	}

	page.Runs = operation.Each(runs, auditRunOf)

	for _, run := range runs {
		if page.LastRunAt == nil || run.FinishedAt.After(*page.LastRunAt) {
			page.LastRunAt = &run.FinishedAt
		}
	}

	if page.CoveredTo, err = audit.CoveredTo(ctx, s.pool); err != nil {
		return page, err
	}

	open, err := audit.OpenFindings(ctx, s.pool)
	if err != nil {
		return page, err
	}

	page.OK = page.LastRunAt != nil && len(open) == 0

	for _, i := range audit.Invariants() {
		page.Invariants = append(page.Invariants, auditInvariant{Name: i.Name, Sentence: i.Sentence, Open: open[i.Name]})
	}

	return page, nil
}
