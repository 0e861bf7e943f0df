package api_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"riverqueue.com/riverui"

	"orders/api"
	"orders/api/access"
	"orders/api/operator"
	"orders/jobs"
)

type actionPage struct {
	Actions    []operator.Action `json:"actions"`
	NextCursor string            `json:"next_cursor"`
}

// acts lists who did what, the oldest first.
func (b *bundle) acts(t *testing.T, query string, headers ...string) string {
	t.Helper()

	page := as[actionPage](t, b.ask(t, "GET", "/actions"+query, "", headers...), 200)

	var text strings.Builder

	for _, a := range slices.Backward(page.Actions) {
		fmt.Fprintf(&text, "%s/%s %s %s %s\n", a.Actor, a.KnownBy, a.Action, a.TargetKind, a.TargetID)
	}

	return text.String()
}

// Every act by the API has an actor, in the act's own transaction. Placing has none, and
// neither has a request that changes nothing.
func TestEveryActHasAnActor(t *testing.T) {
	t.Parallel()

	b, _ := guarded(t)
	auth := []string{"Authorization", "Bearer " + makeToken(t, b, "alice", access.Operator), "Content-Type", "application/json"}

	do := func(method, path, body string, status int) reply {
		t.Helper()

		r := b.ask(t, method, path, body, auth...)
		if r.status != status {
			t.Fatalf("%s %s: %d %s", method, path, r.status, r.body)
		}

		return r
	}

	product := `{"name":"Tea","price":100,"currency":"EUR"}`
	do("PUT", "/products/tea", product, 201)
	do("PUT", "/products/tea", product, 200) // nothing changes
	do("POST", "/products/tea/receipts", `{"quantity":5,"reference":"po-1"}`, 201)
	do("POST", "/products/tea/receipts", `{"quantity":5,"reference":"po-1"}`, 201)
	do("POST", "/products/tea/adjustments", `{"reason":"lost","quantity":-1,"reference":"a-1"}`, 201)
	placed := as[api.Order](t, do("POST", "/orders", `{"user_id":"u-1","lines":[{"sku":"tea","quantity":1}],"hold_seconds":60}`, 201), 201)
	do("POST", "/orders/"+placed.ID.String()+"/payment", `{"reference":"pay-1"}`, 200)
	do("POST", "/orders/"+placed.ID.String()+"/payment", `{"reference":"pay-1"}`, 200)
	do("POST", "/orders/"+placed.ID.String()+"/cancel", `{"reason":"secret words"}`, 200)
	do("POST", "/orders/"+placed.ID.String()+"/cancel", `{}`, 200)
	do("POST", "/products/tea/archive", ``, 200)
	do("POST", "/products/tea/archive", ``, 200)
	do("POST", "/products/tea/unarchive", ``, 200)

	want := strings.ReplaceAll(`alice/token put_product product tea
alice/token book_receipt product tea
alice/token adjust_stock product tea
alice/token pay_order order ORDER
alice/token cancel_order order ORDER
alice/token archive_product product tea
alice/token unarchive_product product tea
`, "ORDER", placed.ID.String())

	if got := b.acts(t, "", auth...); got != want {
		t.Errorf("actions:\n%s\nwant:\n%s", got, want)
	}

	if r := do("GET", "/actions", "", 200); strings.Contains(r.body, "secret words") {
		t.Error("the actions have a client's text")
	}

	timeline := do("GET", "/orders/"+placed.ID.String()+"/timeline", "", 200).body
	for _, entry := range []string{`"type":"payment","step":null,"text":"The payment came`, `"type":"status"`} {
		_, rest, found := strings.Cut(timeline, entry)
		if end := strings.Index(rest, `"at":`); !found || !strings.Contains(rest[:max(end, 0)], `"actor":"alice"`) {
			t.Errorf("no actor at %s in %s", entry, timeline)
		}
	}
}

// River UI knows nobody: who did what there is written for it.
func TestActsInRiverUIHaveActors(t *testing.T) {
	t.Parallel()

	b := setup(t, func(o *api.Options) {
		o.Keys = access.NewKeyring(o.Pool, slog.New(slog.DiscardHandler))

		client, err := river.NewClient(riverpgxv5.New(o.Pool), &river.Config{})
		if err != nil {
			t.Fatal(err)
		}

		ui, err := riverui.NewHandler(&riverui.HandlerOpts{
			Endpoints: riverui.NewEndpoints(client, nil), Logger: slog.New(slog.DiscardHandler), Prefix: "/riverui",
		})
		if err != nil {
			t.Fatal(err)
		}

		o.RiverUI = ui
	})
	auth := []string{"Authorization", "Bearer " + makeToken(t, b, "alice", access.Operator), "Content-Type", "application/json"}

	b.ask(t, "PUT", "/products/tea", `{"name":"Tea","price":100,"currency":"EUR"}`, auth...)
	placed := as[api.Order](t, b.ask(t, "POST", "/orders", placeBody("u-1", "tea", 1), auth...), 201)

	queue := jobs.StepQueues()[0]
	if _, err := b.pool.Exec(t.Context(), `INSERT INTO river_queue (name, updated_at) VALUES ($1, now())`, queue); err != nil {
		t.Fatal(err)
	}

	var id int64
	if err := b.pool.QueryRow(t.Context(), `SELECT id FROM river_job WHERE queue = $1`, queue).Scan(&id); err != nil {
		t.Fatal(err)
	}

	for _, step := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/riverui/api/jobs/retry", fmt.Sprintf(`{"ids":["%d"]}`, id), 200},
		{"POST", "/riverui/api/jobs/cancel", fmt.Sprintf(`{"ids":[%d]}`, id), 200},
		{"POST", "/riverui/api/jobs/delete", `{"ids":["999999"]}`, 404}, // refused: it is no act
		{"POST", "/riverui/api/jobs/delete", fmt.Sprintf(`{"ids":["%d"]}`, id), 200},
		{"PUT", "/riverui/api/queues/" + queue + "/pause", ``, 200},
		{"PUT", "/riverui/api/queues/" + queue + "/resume", ``, 200},
		{"PUT", "/riverui/api/queues/none/pause", ``, 404},
		{"POST", "/riverui/api/jobs/cancel", `nonsense`, 400},
	} {
		if r := b.ask(t, step.method, step.path, step.body, auth...); r.status != step.status {
			t.Fatalf("%s: %d %s", step.path, r.status, r.body)
		}
	}

	want := fmt.Sprintf(`alice/token put_product product tea
alice/token retry_job job %[1]d
alice/token cancel_job job %[1]d
alice/token delete_job job %[1]d
alice/token pause_queue queue %[2]s
alice/token resume_queue queue %[2]s
`, id, queue)

	if got := b.acts(t, "", auth...); got != want {
		t.Errorf("actions:\n%s\nwant:\n%s", got, want)
	}

	timeline := b.ask(t, "GET", "/orders/"+placed.ID.String()+"/timeline", "", auth...).body
	if !strings.Contains(timeline, fmt.Sprintf("Job %d was cancelled in River UI.", id)) {
		t.Errorf("timeline: %s", timeline)
	}

	if line := b.log.line(t, "act in River UI"); line["actor"] != "alice" {
		t.Errorf("log: %v", line)
	}
}

// If its actor cannot be written, nothing is done.
func TestNothingIsDoneInRiverUIWithoutAnActor(t *testing.T) {
	t.Parallel()

	done := false
	b := setup(t, func(o *api.Options) {
		o.RiverUI = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { done = true })
	})

	if _, err := b.pool.Exec(t.Context(), `DROP TABLE operator_actions`); err != nil {
		t.Fatal(err)
	}

	if r := b.ask(t, "POST", "/riverui/api/jobs/retry", `{"ids":["1"]}`); r.status != 500 || done {
		t.Errorf("%d, done: %v", r.status, done)
	}
}
