package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"orders/db"
	"orders/order"
)

func (s *service) registerAudit() {
	o := exampleOrder()
	audited := o.UpdatedAt.Add(time.Hour)

	register(s, huma.Operation{
		OperationID: "get-audit",
		Method:      http.MethodGet,
		Path:        "/audit",
		Tags:        []string{"audit"},
		Summary:     "Read what the audit found",
		Description: "The invariants of the data, each proved every five minutes on what is new and by `orders audit` on all there is, " +
			"and the findings where one did not hold: the open ones first, then those that were found mended, the newest first.",
	}, contract{
		response: auditPage{
			LastRunAt: &audited,
			CoveredTo: &o.UpdatedAt,
			Runs: []db.AuditRun{{
				Mode: db.AuditIncremental, StartedAt: audited.Add(-time.Second), FinishedAt: audited, Orders: 1, Violations: 1,
			}},
			Invariants: []auditInvariant{{
				Name: "stock-balance", Open: 1,
				Sentence: "For each product, received - deducted + released = available, and available is not negative.",
			}},
			Findings: []db.Finding{{
				Invariant: "stock-balance", Subject: "tea", FirstSeen: audited, LastSeen: audited,
				Detail: "available 99, should be 98 = received 100 - deducted 2 + released 0",
			}},
		},
		answer:   "The invariants, the last audits and a page of findings",
		refusals: []order.Code{badCursor, order.Unavailable},
	}, s.getAudit)
}

type auditPage struct {
	OK         bool             `json:"ok" doc:"There was an audit, and nothing that it found is open"`
	LastRunAt  *time.Time       `json:"last_run_at" doc:"When an audit last came to its end; null before the first"`
	CoveredTo  *time.Time       `json:"covered_to" doc:"The moment up to which data has been audited as it came in; null before the first audit"`
	Runs       []db.AuditRun    `json:"runs" nullable:"false" doc:"The last audit of each mode"`
	Invariants []auditInvariant `json:"invariants" nullable:"false"`
	Findings   []db.Finding     `json:"findings" nullable:"false"`
	NextCursor string           `json:"next_cursor" doc:"The cursor of the next page of findings; empty when there is none"`
}

type auditInvariant struct {
	Name     string `json:"name"`
	Sentence string `json:"sentence" doc:"What must hold"`
	Open     int64  `json:"open" doc:"How many open findings break it"`
}

func (s *service) getAudit(ctx context.Context, in *struct{ Page }) (*answer[auditPage], error) {
	after, err := readCursor[db.FindingPosition](findingList, in.Cursor)
	if err != nil {
		return nil, err
	}

	page := auditPage{}

	if page.Runs, err = db.AuditRuns(ctx, s.Pool); err != nil {
		return nil, err
	}

	for _, run := range page.Runs {
		if page.LastRunAt == nil || run.FinishedAt.After(*page.LastRunAt) {
			page.LastRunAt = &run.FinishedAt
		}
	}

	if page.CoveredTo, err = db.AuditedUpTo(ctx, s.Pool); err != nil {
		return nil, err
	}

	open, err := db.OpenFindings(ctx, s.Pool)
	if err != nil {
		return nil, err
	}

	page.OK = page.LastRunAt != nil && len(open) == 0

	for _, i := range db.Invariants() {
		page.Invariants = append(page.Invariants, auditInvariant{Name: i.Name, Sentence: i.Sentence, Open: open[i.Name]})
	}

	findings, err := db.Findings(ctx, s.Pool, after, in.Limit+1)
	if err != nil {
		return nil, err
	}

	page.Findings, page.NextCursor, err = cut(findings, in.Page, findingList, func(f db.Finding) db.FindingPosition {
		return db.FindingPosition{ResolvedAt: f.ResolvedAt, Invariant: f.Invariant, Subject: f.Subject}
	})

	return &answer[auditPage]{Body: page}, err
}
