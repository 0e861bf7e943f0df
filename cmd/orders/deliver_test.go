package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/delivery"
	"orders/db/event"
	"orders/jobs"
)

// A webhookReceiver is another service. It counts how often it has accepted each id.
type webhookReceiver struct {
	*httptest.Server

	refuses atomic.Int64 // of 100 requests, that it answers with 500

	mu  sync.Mutex
	got map[string]int
}

func newWebhookReceiver(t *testing.T) *webhookReceiver {
	t.Helper()

	r := &webhookReceiver{got: map[string]int{}}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)

	return r
}

func (r *webhookReceiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if _, err := io.Copy(io.Discard, request.Body); err != nil {
		return // the sender was killed
	}

	if rand.Int64N(100) < r.refuses.Load() {
		w.WriteHeader(http.StatusInternalServerError)

		return
	}

	r.mu.Lock()
	defer r.mu.Unlock()

	r.got[request.Header.Get("Webhook-Id")]++
}

// ids is how many different ones have come.
func (r *webhookReceiver) ids() int {
	r.mu.Lock()
	defer r.mu.Unlock()

	return len(r.got)
}

// exactly checks that it has n ids of the types each, and returns how many came more than once.
func (r *webhookReceiver) exactly(t *testing.T, f *fleet, types ...event.Type) (again int) {
	t.Helper()

	rows, err := f.pool.Query(t.Context(), `SELECT type || ':' || id FROM events, unnest(order_ids) AS id WHERE type = ANY($1)`, types)
	if err != nil {
		t.Fatal(err)
	}

	want, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}

	r.mu.Lock()
	defer r.mu.Unlock()

	for _, id := range want {
		if r.got[id] == 0 {
			t.Errorf("%s has not arrived", id)
		}

		again += max(0, r.got[id]-1)
	}

	if len(r.got) != len(want) || len(want) < f.placed*len(types) {
		t.Errorf("%d ids have arrived, want %d of %d orders", len(r.got), len(want), f.placed)
	}

	return again
}

// webhook makes an endpoint for events of the types.
func (f *fleet) webhook(url string, types ...event.Type) (e delivery.Endpoint) {
	f.t.Helper()

	queue, err := jobs.NewClient(f.pool, nil, jobs.Defaults())
	if err != nil {
		f.t.Fatal(err)
	}

	err = db.InTx(f.t.Context(), f.pool, func(tx pgx.Tx) (err error) {
		e, err = delivery.Create(f.t.Context(), tx, delivery.Endpoint{
			Kind: delivery.Webhook, URL: url, Types: types, Secret: delivery.NewSecret(), CreatedBy: "test",
		}, event.Start)
		if err != nil {
			return err
		}

		_, err = queue.InsertTx(f.t.Context(), tx, jobs.DeliverWebhook{EndpointID: e.ID}, nil)

		return err
	})
	if err != nil {
		f.t.Fatal(err)
	}

	return e
}

// deliver starts a worker that may send to this machine, and mail to the box.
func (f *fleet) deliver(box *mailbox) *process {
	f.t.Helper()

	p := start(f.t, map[string]string{
		"DATABASE_URL": f.url, "ORDERS_WORK_LISTEN": address(f.t), "ORDERS_WEBHOOK_ALLOW_PRIVATE": "true",
		"SMTP_URL": "smtp://" + box.address + "?tls=none", "ORDERS_MAIL_FROM": "Orders <orders@" + mailDomain + ">",
	}, "work")
	f.workers = append(f.workers, p)

	return p
}

// Workers are killed while orders are placed and events are sent to two other services and to customers. One of the services
// refuses every second request, and then is down. In the end each has each event, after it has skipped the ids that it knew.
func TestDeliveriesSurviveKills(t *testing.T) {
	t.Parallel()

	const (
		rounds = 5
		orders = 400 // of a round
	)

	var (
		f       = newFleet(t, 0)
		box     = newMailbox(t)
		healthy = newWebhookReceiver(t)
		flaky   = newWebhookReceiver(t)
		all     = []event.Type{event.Created, event.Confirmed, event.PointsEarned}
		few     = []event.Type{event.Confirmed}
		second  = f.webhook(flaky.URL, few...)
	)

	f.webhook(healthy.URL, all...)
	f.mailed = 4
	flaky.refuses.Store(50)

	worker := f.deliver(box)
	f.deliver(box)
	eventually(t, f.pool, 1, `SELECT count(*) FROM endpoints WHERE kind = 'mail'`) // it begins at the end of the log

	for round := range rounds {
		f.together(orders)

		// What is sent in this round is not recorded yet, or just so.
		for healthy.ids() < round*orders*len(all)+orders {
			time.Sleep(time.Millisecond)
		}

		worker.kill()
		worker = f.deliver(box)

		if round == rounds/2 {
			flaky.refuses.Store(100)
		}
	}

	f.settled()
	f.exact()
	eventually(t, f.pool, 1, fmt.Sprintf(`SELECT count(*) FROM endpoints WHERE paused_until IS NOT NULL AND id = '%s'`, second.ID))
	flaky.refuses.Store(0)
	f.rejected(orders / rounds)

	// The pause ends, of which a new worker reads in the table only. The next attempts are minutes ahead, and are brought forward.
	for _, p := range f.workers {
		p.kill()
	}

	if _, err := f.pool.Exec(t.Context(), `UPDATE endpoints SET paused_until = now() WHERE paused_until IS NOT NULL`); err != nil {
		t.Fatal(err)
	}

	f.deliver(box)
	f.settled()
	eventually(t, f.pool, 0, `SELECT count(*) FROM events, endpoints WHERE events.type = ANY(types) AND (seq, cardinality(order_ids)) > (position_seq, position_n)`)
	eventually(t, f.pool, 0, `SELECT count(*) FROM deliveries WHERE state NOT IN ('sent', 'suppressed')`)
	t.Logf("came again: %d to the healthy service, %d to the other, %d mails", healthy.exactly(t, f, all...), flaky.exactly(t, f, few...), box.exactly(t, f))

	if code, stdout, stderr := inProcess(t, f.url, "audit"); code != exitOK {
		t.Errorf("audit: exit code %d\n%s%s", code, stdout, stderr)
	}
}

// exactly checks that the box has one mail of each event that customers with an address are told, and returns how many came
// more than once. That an order was created may be suppressed if the order has ended.
func (b *mailbox) exactly(t *testing.T, f *fleet) (again int) {
	t.Helper()

	rows, err := f.pool.Query(t.Context(), `
		SELECT e.type || '.' || o.id AS id, coalesce(d.state = 'suppressed' AND e.type = 'order.created' AND o.status = 'rejected', false) AS suppressed
		FROM events AS e
		CROSS JOIN unnest(e.order_ids) AS of (id)
		JOIN orders AS o ON o.id = of.id
		LEFT JOIN deliveries AS d ON d.event_id = e.type || ':' || o.id AND d.endpoint_id = (SELECT id FROM endpoints WHERE kind = 'mail')
		WHERE e.type IN ('order.created', 'order.rejected') AND o.email IS NOT NULL`)
	if err != nil {
		t.Fatal(err)
	}

	expected, err := pgx.CollectRows(rows, pgx.RowToStructByName[struct {
		ID         string
		Suppressed bool
	}])
	if err != nil {
		t.Fatal(err)
	}

	b.mu.Lock()
	defer b.mu.Unlock()

	suppressed, unknown := 0, len(b.mails)

	for _, e := range expected {
		switch came := b.mails["<"+e.ID+"@"+mailDomain+">"] != nil; {
		case came:
			unknown--
		case e.Suppressed:
			suppressed++
		default:
			t.Errorf("the mail %s has not arrived", e.ID)
		}
	}

	if least := f.placed / f.mailed; unknown != 0 || len(expected) <= least {
		t.Errorf("%d mails that nobody expects; %d are expected, want more than %d", unknown, len(expected), least)
	}

	t.Logf("%d mails, and %d of orders that had ended are suppressed", len(b.mails), suppressed)

	return b.again
}
