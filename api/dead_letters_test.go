package api_test

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/google/uuid"

	"orders/api/operator"
	"orders/api/problem"
	"orders/order"
)

type letterPage struct {
	DeadLetters []operator.DeadLetter `json:"dead_letters"`
	NextCursor  string                `json:"next_cursor"`
}

type letterGroups struct {
	Groups []operator.DeadLetterGroup `json:"groups"`
}

type redriven struct {
	OperationID uuid.UUID `json:"operation_id"`
	JobID       int64     `json:"job_id"`
	Outcome     string    `json:"outcome"`
	NewJobID    *int64    `json:"new_job_id"`
}

type bulkRedriven struct {
	OperationID uuid.UUID      `json:"operation_id"`
	DryRun      bool           `json:"dry_run"`
	Outcomes    map[string]int `json:"outcomes"`
	Letters     []struct {
		JobID    int64  `json:"job_id"`
		Outcome  string `json:"outcome"`
		NewJobID *int64 `json:"new_job_id"`
	} `json:"letters"`
}

// deadLetters gives up the points jobs of n new orders; their errors differ in an address.
func (b *bundle) deadLetters(t *testing.T, n int) (jobIDs []int64) {
	t.Helper()
	b.stock(t, "tea", 1250, 0)

	for i := range n {
		var jobID int64

		err := b.pool.QueryRow(t.Context(), `
			UPDATE river_job
			SET state = 'discarded', finalized_at = now(), attempt = 10, errors = ARRAY[jsonb_build_object(
				'at', now(), 'attempt', 10, 'error', 'unavailable: dial tcp 10.0.0.' || $2::int || ':5432: refused', 'trace', '')],
				metadata = jsonb_set(metadata, '{orders:failures}', '{"10":{"code":"unavailable","class":"transient"}}')
			WHERE kind = 'points' AND args @> jsonb_build_object('order_id', $1::uuid)
			RETURNING id`, b.place(t, "u-1", "tea", 1).ID, i).Scan(&jobID)
		if err != nil {
			t.Fatal(err)
		}

		jobIDs = append(jobIDs, jobID)
	}

	return jobIDs
}

const signature = "points: unavailable: dial tcp ?: refused"

func TestDeadLettersAreListedGroupedAndRead(t *testing.T) {
	t.Parallel()
	b := setup(t)

	const letters = 5

	jobIDs := b.deadLetters(t, letters)

	for limit := 1; limit <= letters+1; limit++ {
		seen := map[int64]bool{}

		for cursor := ""; ; {
			p := as[letterPage](t, b.ask(t, "GET", fmt.Sprintf("/dead-letters?limit=%d&cursor=%s&kind=points&reason=transient&signature=%s",
				limit, cursor, url.QueryEscape(signature)), ""), 200)

			for _, l := range p.DeadLetters {
				seen[l.JobID] = true

				if l.Error == "" || l.Resolution != "" || l.OrderID == nil || l.Attempts != 10 || l.Code != order.Unavailable {
					t.Errorf("%+v", l)
				}
			}

			if cursor = p.NextCursor; cursor == "" {
				break
			}
		}

		if len(seen) != letters {
			t.Errorf("limit %d: %d letters", limit, len(seen))
		}
	}

	for query, want := range map[string]int{"state=all": letters, "state=resolved": 0, "kind=inventory": 0, "order_id=" + uuid.NewString(): 0} {
		if p := as[letterPage](t, b.ask(t, "GET", "/dead-letters?"+query, ""), 200); len(p.DeadLetters) != want {
			t.Errorf("%s: %d letters", query, len(p.DeadLetters))
		}
	}

	g := as[letterGroups](t, b.ask(t, "GET", "/dead-letters/groups?kind=points&reason=transient", ""), 200).Groups
	if len(g) != 1 || g[0].Count != letters || g[0].Signature != signature || len(g[0].Samples) != 5 || g[0].Samples[0] != jobIDs[letters-1] {
		t.Errorf("%+v", g)
	}

	l := as[operator.DeadLetterDetail](t, b.ask(t, "GET", fmt.Sprintf("/dead-letters/%d", jobIDs[0]), ""), 200)
	if l.JobID != jobIDs[0] || len(l.Errors) != 1 || len(l.Args) < 40 || l.RedriveHistory == nil || l.RedriveOf != nil {
		t.Errorf("%+v", l)
	}

	wantProblem(t, b.ask(t, "GET", "/dead-letters/999999", ""), 404, order.NotFound)
	wantProblem(t, b.ask(t, "GET", "/dead-letters/x", ""), 422, order.Invalid)
	wantProblem(t, b.ask(t, "GET", "/dead-letters?reason=boredom", ""), 422, order.Invalid)
	wantProblem(t, b.ask(t, "GET", "/dead-letters?order_id=1", ""), 422, order.Invalid)
	wantProblem(t, b.ask(t, "GET", "/dead-letters?cursor=x", ""), 422, "bad-cursor")
}

func TestOneDeadLetterIsRedrivenOrResolved(t *testing.T) {
	t.Parallel()
	b := setup(t)
	jobIDs := b.deadLetters(t, 2)
	path := fmt.Sprintf("/dead-letters/%d", jobIDs[0])
	body := `{"note":"mended","operation_id":"` + uuid.NewString() + `"}`

	first := as[redriven](t, b.ask(t, "POST", path+"/redrive", body), 200)
	again := as[redriven](t, b.ask(t, "POST", path+"/redrive", body), 200)

	if first.Outcome != "redriven" || first.NewJobID == nil || again.Outcome != "redriven" || *again.NewJobID != *first.NewJobID || again.OperationID != first.OperationID {
		t.Errorf("first %+v, again %+v", first, again)
	}

	if other := as[redriven](t, b.ask(t, "POST", path+"/redrive", `{}`), 200); other.Outcome != "already_resolved" || other.NewJobID != nil || other.OperationID == uuid.Nil {
		t.Errorf("another operation: %+v", other)
	}

	l := as[operator.DeadLetterDetail](t, b.ask(t, "GET", path, ""), 200)
	if l.Resolution != "redriven" || l.ResolvedBy != "api" || l.Note != "mended" || len(l.RedriveHistory) != 2 {
		t.Errorf("%+v", l)
	}

	wantProblem(t, b.ask(t, "POST", path+"/resolve", `{"reason":"seen"}`), 409, order.LetterResolved)

	path = fmt.Sprintf("/dead-letters/%d", jobIDs[1])
	wantProblem(t, b.ask(t, "POST", path+"/resolve", `{}`), 422, order.Invalid)
	wantProblem(t, b.ask(t, "POST", path+"/resolve", `{"reason":""}`), 422, order.Invalid)

	for range 2 {
		l := as[operator.DeadLetterDetail](t, b.ask(t, "POST", path+"/resolve", `{"reason":"seen"}`), 200)
		if l.Resolution != "dismissed" || l.Note != "seen" || l.ResolvedBy != "api" {
			t.Errorf("%+v", l)
		}
	}

	wantProblem(t, b.ask(t, "POST", "/dead-letters/999999/redrive", `{}`), 404, order.NotFound)
	wantProblem(t, b.ask(t, "POST", "/dead-letters/999999/resolve", `{"reason":"x"}`), 404, order.NotFound)
}

func TestDeadLettersAreRedrivenByFilter(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.deadLetters(t, 5)

	ask := func(body string) bulkRedriven {
		t.Helper()

		return as[bulkRedriven](t, b.ask(t, "POST", "/dead-letters/redrive", body), 200)
	}

	dry := ask(`{"kind":"points","signature":"` + signature + `","dry_run":true}`)
	if !dry.DryRun || dry.Outcomes["eligible"] != 5 || len(dry.Letters) != 5 || b.count(t, "redrives") != 0 {
		t.Errorf("dry run: %+v", dry)
	}

	// One was given up before the outage that this is about.
	if _, err := b.pool.Exec(t.Context(), `UPDATE dead_letters SET dead_at = now() - interval '3 hours' WHERE job_id = (SELECT max(job_id) FROM dead_letters)`); err != nil {
		t.Fatal(err)
	}

	if since := ask(`{"signature":"` + signature + `","since":"now-2h","dry_run":true}`); since.Outcomes["eligible"] != 4 {
		t.Errorf("since: %+v", since)
	}

	if until := ask(`{"until":"now-2h","dry_run":true}`); until.Outcomes["eligible"] != 1 {
		t.Errorf("until: %+v", until)
	}

	if groups := as[letterGroups](t, b.ask(t, "GET", "/dead-letters/groups?since=now-2h", ""), 200).Groups; len(groups) != 1 || groups[0].Count != 4 {
		t.Errorf("groups since: %+v", groups)
	}

	wantProblem(t, b.ask(t, "GET", "/dead-letters?since=yesterday", ""), 422, order.Invalid)
	wantProblem(t, b.ask(t, "GET", "/dead-letters?since=2026-02-31", ""), 422, order.Invalid)
	wantProblem(t, b.ask(t, "POST", "/dead-letters/redrive", `{"since":"2026-02-31"}`), 422, order.Invalid)

	if _, err := b.pool.Exec(t.Context(), `UPDATE dead_letters SET dead_at = now()`); err != nil {
		t.Fatal(err)
	}

	first := ask(`{"reason":"transient","limit":3,"rate":2,"note":"mended"}`)
	if first.DryRun || first.Outcomes["redriven"] != 3 || len(first.Letters) != 3 || first.Letters[0].NewJobID == nil {
		t.Errorf("first %+v", first)
	}

	again := ask(`{"reason":"transient","limit":3,"rate":2,"note":"mended","operation_id":"` + first.OperationID.String() + `"}`)
	if fmt.Sprint(again.Outcomes) != fmt.Sprint(first.Outcomes) || again.Letters[2].JobID != first.Letters[2].JobID || b.count(t, "redrives") != 3 {
		t.Errorf("again %+v", again)
	}

	if none := ask(`{"order_id":"` + uuid.NewString() + `"}`); len(none.Letters) != 0 || none.Letters == nil || len(none.Outcomes) != 0 {
		t.Errorf("none %+v", none)
	}

	other := `{"reason":"transient","limit":4,"operation_id":"` + first.OperationID.String() + `"}`
	wantProblem(t, b.ask(t, "POST", "/dead-letters/redrive", other), 422, order.KeyReused)

	var p problem.Problem
	if p = wantProblem(t, b.ask(t, "POST", "/dead-letters/redrive", `{"dry_run":true}`), 422, order.Invalid); p.Detail == "" {
		t.Errorf("%+v", p)
	}

	wantProblem(t, b.ask(t, "POST", "/dead-letters/redrive", `{"kind":"points","limit":1001}`), 422, order.Invalid)
	wantProblem(t, b.ask(t, "POST", "/dead-letters/redrive", `{"kind":"points","operation_id":"x"}`), 422, order.Invalid)

	if n := b.count(t, "dead_letters WHERE resolved_at IS NULL"); n != 2 {
		t.Errorf("%d letters are open", n)
	}
}

func TestDeadLettersAreResolvedByFilterAndReopened(t *testing.T) {
	t.Parallel()
	b := setup(t)
	jobIDs := b.deadLetters(t, 3)

	ask := func(body string) bulkRedriven {
		t.Helper()

		return as[bulkRedriven](t, b.ask(t, "POST", "/dead-letters/resolve", body), 200)
	}

	if dry := ask(`{"kind":"points","note":"a gift","dry_run":true}`); !dry.DryRun || dry.Outcomes["eligible"] != 3 || len(dry.Letters) != 3 {
		t.Errorf("dry run: %+v", dry)
	}

	first := ask(`{"kind":"points","note":"a gift","limit":2}`)
	again := ask(`{"kind":"points","note":"a gift","limit":2,"operation_id":"` + first.OperationID.String() + `"}`)

	if first.Outcomes["dismissed"] != 2 || fmt.Sprint(again) != fmt.Sprint(first) {
		t.Errorf("first %+v, again %+v", first, again)
	}

	if n := b.count(t, "dead_letters WHERE resolution = 'dismissed' AND note = 'a gift' AND resolved_by = 'api'"); n != 2 {
		t.Errorf("%d letters are dismissed", n)
	}

	path := fmt.Sprintf("/dead-letters/%d/reopen", jobIDs[0])
	if l := as[operator.DeadLetterDetail](t, b.ask(t, "POST", path, `{"reason":"by mistake"}`), 200); l.Resolution != "" || l.AttentionAt == nil {
		t.Errorf("reopened: %+v", l)
	}

	wantProblem(t, b.ask(t, "POST", "/dead-letters/resolve", `{"kind":"points","note":" "}`), 422, order.Invalid)
	wantProblem(t, b.ask(t, "POST", "/dead-letters/resolve", `{"kind":"points"}`), 422, order.Invalid)
	wantProblem(t, b.ask(t, "POST", "/dead-letters/resolve", `{"note":"a gift"}`), 422, order.Invalid)
	wantProblem(t, b.ask(t, "POST", "/dead-letters/resolve", `{"kind":"point","note":"a gift"}`), 422, order.Invalid)

	// The document says so, too: the schema refuses it.
	for body, location := range map[string]string{`{"reason":" "}`: path, `{"reason":"\u00a0"}`: path, `{"kind":"points","note":"  "}`: "/dead-letters/resolve"} {
		if p := wantProblem(t, b.ask(t, "POST", location, body), 422, order.Invalid); len(p.Errors) != 1 {
			t.Errorf("%s: %+v", body, p)
		}
	}
	wantProblem(t, b.ask(t, "GET", "/dead-letters?kind=point", ""), 422, order.Invalid)
	wantProblem(t, b.ask(t, "GET", "/dead-letters/groups?kind=point", ""), 422, order.Invalid)
}
