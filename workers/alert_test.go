package workers_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"

	"orders/jobs"
	"orders/order/repair"
	"orders/workers"
)

// receiver is the webhook's other end.
type receiver struct {
	mu       sync.Mutex
	failures int // requests that are refused from now on
	got      []posted
}

type posted struct {
	ID        uuid.UUID `json:"id"`
	Condition string    `json:"condition"`
	Severity  string    `json:"severity"`
	State     string    `json:"state"`
	Runbook   string    `json:"runbook"`
	Since     string    `json:"since"`

	key     string
	refused bool
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	var p posted

	if err := json.NewDecoder(request.Body).Decode(&p); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)

		return
	}

	r.mu.Lock()
	defer r.mu.Unlock()

	p.key = request.Header.Get("Idempotency-Key")

	if r.failures > 0 {
		r.failures--
		p.refused = true
		w.WriteHeader(http.StatusBadGateway)
	}

	r.got = append(r.got, p)
}

// of are the posts about a condition.
func (r *receiver) of(condition string) []posted {
	r.mu.Lock()
	defer r.mu.Unlock()

	return slices.DeleteFunc(slices.Clone(r.got), func(p posted) bool { return p.Condition != condition })
}

// startAlerting starts workers that post alerts to the receiver.
func (b *bundle) startAlerting(address string) *workers.Workers {
	b.t.Helper()

	settings := jobs.Defaults()
	settings.Alert = true

	w, err := workers.New(workers.Options{
		Pool: b.pool, Log: b.log, Version: "test", Concurrency: jobs.Concurrency(), Jobs: settings, Rules: repair.DefaultRules(), Webhook: address,
	})
	if err != nil {
		b.t.Fatal(err)
	}

	if err := w.Start(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}

	b.t.Cleanup(func() { w.Stop(b.t.Context()) })

	return w
}

// alertNow lets the job run now, instead of at its next period.
func (b *bundle) alertNow() {
	b.exec(`DELETE FROM river_job WHERE kind = 'alert' AND state = 'completed'`)

	if _, err := b.queue.Insert(b.t.Context(), jobs.Alert{}, nil); err != nil {
		b.t.Fatal(err)
	}
}

// The receiver fails first; a post that was not recorded is repeated; the begin and the end of a
// condition have one id. The secret in the address is nowhere.
func TestAlertsArePostedAtLeastOnce(t *testing.T) {
	t.Parallel()

	b := setup(t)
	r := &receiver{failures: 2}

	server := httptest.NewServer(r)
	defer server.Close()

	b.exec(`INSERT INTO river_queue (name, updated_at, paused_at) VALUES ('points', now(), now() - interval '1 minute')`)
	b.startAlerting(server.URL + "/a-secret")
	b.eventually(1, `SELECT count(*) FROM alerts WHERE condition = 'queue-paused' AND begin_posted_at IS NOT NULL`)

	// As if the process had been killed between the post and its record.
	b.exec(`UPDATE alerts SET begin_posted_at = NULL WHERE condition = 'queue-paused'`)
	b.alertNow()
	b.eventually(1, `SELECT count(*) FROM alerts WHERE condition = 'queue-paused' AND begin_posted_at IS NOT NULL`)

	b.exec(`UPDATE river_queue SET paused_at = NULL`)
	b.eventually(0, `SELECT count(*) FROM river_job WHERE kind = 'alert' AND state NOT IN ('completed', 'discarded')`)
	b.alertNow()
	b.eventually(1, `SELECT count(*) FROM alerts WHERE condition = 'queue-paused' AND end_posted_at IS NOT NULL`)

	got := r.of("queue-paused")
	accepted := slices.DeleteFunc(slices.Clone(got), func(p posted) bool { return p.refused })

	if len(accepted) != 3 || accepted[0].State != "begin" || accepted[1].State != "begin" || accepted[2].State != "end" {
		t.Fatalf("%+v", got)
	}

	for _, p := range got {
		if p.ID != got[0].ID || p.Severity != "warning" || p.Runbook != "docs/operations.md#queue-paused" || p.Since == "" || p.key != p.ID.String()+"-"+p.State {
			t.Errorf("%+v", p)
		}
	}

	if n := count(b, `SELECT count(*) FROM river_job AS j WHERE j::text LIKE '%a-secret%'`); n != 0 {
		t.Errorf("%d jobs name the secret", n)
	}
}

// A receiver that is away leaves no dead letter, and what it missed is posted later.
func TestAReceiverThatIsAway(t *testing.T) {
	t.Parallel()

	b, log := logging(t)
	b.exec(`INSERT INTO river_queue (name, updated_at, paused_at) VALUES ('points', now(), now() - interval '1 minute')`)
	b.startAlerting("http://127.0.0.1:1/a-secret")
	log.wait(t, 1, "the alert webhook failed")
	b.eventually(1, `SELECT count(*) FROM river_job WHERE kind = 'alert' AND cardinality(errors) > 0`)
	b.exec(`UPDATE river_job SET state = 'discarded', finalized_at = now() WHERE kind = 'alert'`)

	if n := count(b, `SELECT count(*) FROM dead_letters`); n != 0 {
		t.Errorf("%d dead letters", n)
	}

	if n := count(b, `SELECT count(*) FROM river_job AS j WHERE j::text LIKE '%a-secret%'`); n != 0 || len(log.with("a-secret")) > 0 {
		t.Errorf("%d jobs name the secret; the log: %q", n, log.with("a-secret"))
	}

	if n := count(b, `SELECT count(*) FROM alerts WHERE condition = 'queue-paused' AND begin_posted_at IS NULL`); n != 1 {
		t.Errorf("%d alerts wait to be posted, want 1", n)
	}
}
