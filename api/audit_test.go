package api_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/audit"
)

type auditPage struct {
	OK        bool       `json:"ok"`
	LastRunAt *time.Time `json:"last_run_at"`
	CoveredTo *time.Time `json:"covered_to"`
	Runs      []struct {
		Mode       string    `json:"mode"`
		StartedAt  time.Time `json:"started_at"`
		FinishedAt time.Time `json:"finished_at"`
		Orders     int64     `json:"orders"`
		Violations int64     `json:"violations"`
	} `json:"runs"`
	Invariants []struct {
		Name     string `json:"name"`
		Sentence string `json:"sentence"`
		Open     int64  `json:"open"`
	} `json:"invariants"`
	Findings []struct {
		Invariant  string     `json:"invariant"`
		Subject    string     `json:"subject"`
		Detail     string     `json:"detail"`
		FirstSeen  time.Time  `json:"first_seen"`
		LastSeen   time.Time  `json:"last_seen"`
		ResolvedAt *time.Time `json:"resolved_at"`
	} `json:"findings"`
	NextCursor string `json:"next_cursor"`
}

// audit is the audit job, without grace.
func (b *bundle) audit(t *testing.T) {
	t.Helper()

	err := db.InTx(t.Context(), b.pool, func(tx pgx.Tx) error {
		step, err := audit.Next(t.Context(), tx, audit.Options{Again: true})
		if err != nil {
			return err
		}

		return audit.RecordRun(t.Context(), tx, audit.Incremental, time.Second, step.Orders, len(step.Violations))
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAuditTellsWhatItFound(t *testing.T) {
	t.Parallel()
	b := setup(t)

	before := as[auditPage](t, b.ask(t, "GET", "/audit", ""), 200)
	if before.OK || before.LastRunAt != nil || before.CoveredTo != nil || len(before.Runs) != 0 || len(before.Invariants) != len(audit.Invariants()) {
		t.Errorf("before the first audit: %+v", before)
	}

	for _, sku := range []string{"tea", "mug", "pot"} {
		b.stock(t, sku, 1250, 100)
	}

	b.settle(t, b.place(t, "u-1", "tea", 1).ID)
	b.audit(t)

	clean := as[auditPage](t, b.ask(t, "GET", "/audit", ""), 200)
	if !clean.OK || clean.LastRunAt == nil || clean.CoveredTo == nil || clean.Runs[0].Orders != 1 || len(clean.Findings) != 0 {
		t.Errorf("after a clean audit: %+v", clean)
	}

	if _, err := b.pool.Exec(t.Context(), `UPDATE products SET available = available + 1`); err != nil {
		t.Fatal(err)
	}

	b.audit(t)

	if _, err := b.pool.Exec(t.Context(), `UPDATE products SET available = available - 1 WHERE sku = 'tea'`); err != nil {
		t.Fatal(err)
	}

	b.audit(t)

	var subjects []string

	for cursor := ""; ; {
		page := as[auditPage](t, b.ask(t, "GET", "/audit?limit=1&cursor="+cursor, ""), 200)
		if page.OK || len(page.Findings) != 1 {
			t.Fatalf("with open findings: %+v", page)
		}

		for _, i := range page.Invariants {
			if want := map[bool]int64{true: 2}[i.Name == "stock-balance"]; i.Open != want || i.Sentence == "" {
				t.Errorf("%+v, want %d open", i, want)
			}
		}

		f := page.Findings[0]
		subjects = append(subjects, f.Subject)

		if f.Invariant != "stock-balance" || (f.ResolvedAt != nil) != (f.Subject == "tea") {
			t.Errorf("finding %+v", f)
		}

		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}

	if len(subjects) != 3 || subjects[2] != "tea" {
		t.Errorf("findings of %v, want the resolved one last", subjects)
	}
}
