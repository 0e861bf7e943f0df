package deliver_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"orders/db"
	"orders/db/dbtest"
	"orders/db/delivery"
	"orders/db/event"
	"orders/order"
	"orders/workers/deliver"
)

// A receiver is another service. It keeps what it got, and answers as it is told.
type receiver struct {
	*httptest.Server

	mu     sync.Mutex
	got    map[string]int // how often each id came
	answer func(w http.ResponseWriter, nth int)
	secret []string // any of which must have signed; none checks nothing
	t      *testing.T
}

func newReceiver(t *testing.T, answer func(w http.ResponseWriter, nth int)) *receiver {
	t.Helper()

	r := &receiver{t: t, got: map[string]int{}, answer: answer}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)

	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return // a sender that has ended
	}

	r.mu.Lock()
	id := request.Header.Get("Webhook-Id")
	r.got[id]++
	nth, secrets := r.got[id], r.secret
	r.mu.Unlock()

	for _, secret := range secrets {
		verifier, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			r.t.Error(err)
		} else if err := verifier.Verify(body, request.Header); err != nil {
			r.t.Errorf("%s: %v", id, err)
		}
	}

	request.Body = io.NopCloser(strings.NewReader(string(body)))

	e, err := cloudevents.NewEventFromHTTPRequest(request)
	if err != nil || e.Validate() != nil || e.ID() != id {
		r.t.Errorf("no CloudEvent: %v, %s", err, body)
	}

	if r.answer != nil {
		r.answer(w, nth)
	}
}

func (r *receiver) ids() (ids []string) {
	r.mu.Lock()
	defer r.mu.Unlock()

	for id := range r.got {
		ids = append(ids, id)
	}

	slices.Sort(ids)

	return ids
}

type bundle struct {
	*testing.T

	pool *pgxpool.Pool
}

func setup(t *testing.T) bundle {
	t.Helper()
	t.Parallel()

	return bundle{T: t, pool: dbtest.Pool(t)}
}

func (b bundle) inTx(do func(tx pgx.Tx) error) {
	b.Helper()

	if err := db.InTx(b.Context(), b.pool, do); err != nil {
		b.Fatal(err)
	}
}

func (b bundle) endpoint(url string, types ...event.Type) (e delivery.Endpoint) {
	b.Helper()
	b.inTx(func(tx pgx.Tx) (err error) {
		e, err = delivery.Create(b.Context(), tx, delivery.Endpoint{
			Kind: delivery.Webhook, URL: url, Types: append([]event.Type{}, types...), Secret: delivery.NewSecret(), CreatedBy: "test",
		}, event.Start)

		return err
	})

	return e
}

// events appends n events and returns their ids.
func (b bundle) events(kind event.Type, n int) (ids []string) {
	b.Helper()

	orders := make([]uuid.UUID, n)
	for i := range orders {
		orders[i] = uuid.Must(uuid.NewV7())
		ids = append(ids, event.Event{Type: kind, OrderID: orders[i]}.ID())
	}

	b.inTx(func(tx pgx.Tx) error { return event.Append(b.Context(), tx, kind, orders) })
	slices.Sort(ids)

	return ids
}

// follow runs an endpoint's job until the test ends, as River does: again after each snooze.
func (b bundle) follow(e delivery.Endpoint, o deliver.Options) (stop func()) {
	b.Helper()

	o.Pool, o.Log = b.pool, slog.New(slog.DiscardHandler)
	if o.Sender == nil {
		o.Sender = deliver.NewWebhook(true)
	}

	ctx, cancel := context.WithCancel(context.WithoutCancel(b.Context()))
	f := deliver.New(o)

	var running sync.WaitGroup

	running.Go(func() {
		for ctx.Err() == nil {
			err := f.Follow(ctx, e.ID)
			if err == nil {
				return // it has ended
			}

			if _, snoozed := errors.AsType[*river.JobSnoozeError](err); !snoozed && ctx.Err() == nil {
				b.Error(err)

				return
			}

			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
	})

	stop = sync.OnceFunc(func() {
		cancel()
		f.Close()
		running.Wait()
	})
	b.Cleanup(stop)

	return stop
}

func (b bundle) eventually(want any, sql string, args ...any) {
	b.Helper()

	var got *string // nil while there is no row

	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if err := b.pool.QueryRow(b.Context(), `SELECT (`+sql+`)::text`, args...).Scan(&got); err != nil {
			b.Fatal(err)
		}

		if got != nil && *got == fmt.Sprint(want) {
			return
		}
	}

	if got == nil {
		got = new("no row")
	}

	b.Fatalf("%s = %s, want %v", sql, *got, want)
}

const states = `SELECT coalesce(string_agg(state || ' ' || n, ', ' ORDER BY state), '') FROM (SELECT state, count(*) AS n FROM deliveries WHERE endpoint_id = $1 GROUP BY state) AS s`

func TestEachEventArrivesSigned(t *testing.T) { //nolint:paralleltest // setup does
	b := setup(t)
	r := newReceiver(t, nil)
	all, some := b.endpoint(r.URL), newReceiver(t, nil)
	few := b.endpoint(some.URL, event.Confirmed)
	r.secret = []string{all.Secret}

	created, confirmed := b.events(event.Created, 250), b.events(event.Confirmed, 3)
	b.follow(all, deliver.Options{})
	b.follow(few, deliver.Options{})
	b.eventually("sent 253", states, all.ID)
	b.eventually("sent 3", states, few.ID)

	// Both secrets sign after a rotation, from the round on that begins then: one that has begun may still send the next event.
	var rotated delivery.Endpoint

	b.inTx(func(tx pgx.Tx) (err error) {
		rotated, err = delivery.Rotate(b.Context(), tx, all.ID, delivery.NewSecret())

		return err
	})

	next := b.events(event.Expired, 1)
	b.eventually("sent 254", states, all.ID)

	r.mu.Lock()
	r.secret = append(r.secret, rotated.Secret)
	r.mu.Unlock()

	more := b.events(event.Cancelled, 5)
	b.eventually("sent 259", states, all.ID)

	want := slices.Concat(created, confirmed, next, more)
	slices.Sort(want)

	if got := r.ids(); !slices.Equal(got, want) {
		t.Errorf("%d events have arrived, want %d", len(got), len(want))
	}

	if got := some.ids(); !slices.Equal(got, confirmed) {
		t.Errorf("%v, want %v", got, confirmed)
	}
}

// What is sent and not recorded is sent again, with the same ids.
func TestAProcessThatEndsBeforeItRecordsSendsAgain(t *testing.T) { //nolint:paralleltest // setup does
	b := setup(t)
	r := newReceiver(t, nil)
	e := b.endpoint(r.URL)
	want := b.events(event.Created, 20)

	lock, err := b.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Rollback(context.Background())

	if _, err := lock.Exec(t.Context(), `LOCK TABLE deliveries IN SHARE MODE`); err != nil {
		t.Fatal(err)
	}

	stop := b.follow(e, deliver.Options{})

	for len(r.ids()) < len(want) {
		time.Sleep(10 * time.Millisecond)
	}

	stop()
	lock.Rollback(t.Context())
	b.follow(e, deliver.Options{})
	b.eventually("sent 20", states, e.ID)

	if got := r.ids(); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}

	for id, n := range r.got {
		if n != 2 {
			t.Errorf("%s came %d times", id, n)
		}
	}
}

// A process that ends records what has arrived. What was not answered counts as no attempt, and what was not sent stays in the log.
func TestAProcessThatEndsRecordsWhatHasArrived(t *testing.T) { //nolint:paralleltest // setup does
	b := setup(t)
	waiting, ended := make(chan struct{}), make(chan struct{})
	defer close(ended)

	var asked atomic.Int32

	r := newReceiver(t, func(http.ResponseWriter, int) {
		if asked.Add(1) > 20 {
			waiting <- struct{}{}
			<-ended
		}
	})
	e := b.endpoint(r.URL)
	want := b.events(event.Created, 60)
	stop := b.follow(e, deliver.Options{})

	for range deliver.FewAtOnce { // then no other is in flight
		<-waiting
	}

	stop()
	b.eventually("sent 20, waiting 8", states, e.ID)

	if n := dbtest.Count(t, b.pool, `SELECT count(*) FROM deliveries WHERE state = 'waiting' AND (attempts > 0 OR next_at > now())`); n > 0 {
		t.Errorf("%d count as attempts", n)
	}

	if n := dbtest.Count(t, b.pool, `SELECT count(*) FROM endpoints WHERE failing_since IS NOT NULL`); n > 0 {
		t.Error("the endpoint counts as failing")
	}

	asked.Store(-100)
	b.follow(e, deliver.Options{})
	b.eventually("sent 60", states, e.ID)

	if got := r.ids(); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// A picky sender's endpoint works, and refuses some events for now.
type picky struct{ refuses func(id string) bool }

func (picky) Prepare(_ context.Context, _ db.Querier, due []delivery.Due) (messages []deliver.Message, err error) {
	for _, d := range due {
		messages = append(messages, deliver.Message{Due: d})
	}

	return messages, nil
}

func (p picky) Send(_ context.Context, _ delivery.Endpoint, m deliver.Message) deliver.Answer {
	if p.refuses(m.ID()) {
		return deliver.Answer{Alone: true, Status: 451}
	}

	return deliver.Answer{Arrived: true, Status: 250}
}

// What an endpoint refuses for now does not keep others from it, however many these are.
func TestARefusalIsAboutItsEventAlone(t *testing.T) { //nolint:paralleltest // setup does
	b := setup(t)
	e := b.endpoint("https://mail.example")
	refused := b.events(event.Created, 20)
	b.events(event.Confirmed, 20)
	b.follow(e, deliver.Options{Trips: 3, Sender: picky{func(id string) bool { return slices.Contains(refused, id) }}})
	b.eventually("sent 20, waiting 20", states, e.ID)

	if n := dbtest.Count(t, b.pool, `SELECT count(*) FROM endpoints WHERE failing_since IS NOT NULL OR paused_until IS NOT NULL`); n > 0 {
		t.Error("the endpoint counts as failing")
	}

	// One that refuses everything is at fault itself.
	all := b.endpoint("https://refusing.example")
	b.follow(all, deliver.Options{Trips: 3, Sender: picky{func(string) bool { return true }}})
	b.eventually(true, `SELECT failing_since IS NOT NULL AND paused_until IS NOT NULL FROM endpoints WHERE id = $1`, all.ID)
}

// An endpoint that is away is paused. Nothing burns attempts meanwhile, and what waits arrives soon when it is back, although
// its next attempts are minutes and hours ahead.
func TestAnEndpointThatIsAwayIsPaused(t *testing.T) { //nolint:paralleltest // setup does
	b := setup(t)
	up := false
	r := newReceiver(t, nil)
	r.answer = func(w http.ResponseWriter, _ int) {
		r.mu.Lock()
		defer r.mu.Unlock()

		if !up {
			w.WriteHeader(http.StatusBadGateway)
		}
	}
	e := b.endpoint(r.URL)
	b.events(event.Created, 300)

	if _, err := b.pool.Exec(t.Context(), `
		INSERT INTO deliveries (endpoint_id, event_seq, event_id, event_type, event_at, order_id, state, attempts, next_at)
		SELECT $1, 0, 'order.failed:' || n, 'order.failed', now(), gen_random_uuid(), 'waiting', attempts, now() + '2 hours'
		FROM unnest('{5,5,6}'::int[]) WITH ORDINALITY AS o (attempts, n)`, e.ID); err != nil {
		t.Fatal(err)
	}

	b.follow(e, deliver.Options{Trips: 5, Pause: 300 * time.Millisecond})

	b.eventually(true, `SELECT paused_until IS NOT NULL AND failing_since IS NOT NULL AND last_status = 502 FROM endpoints WHERE id = $1`, e.ID)
	b.eventually(true, `SELECT sum(attempts) >= 10 FROM deliveries WHERE endpoint_id = $1 AND event_type = 'order.created'`, e.ID) // with those that try

	if n := dbtest.Count(t, b.pool, `SELECT count(*) FROM deliveries`); n > 100 {
		t.Errorf("%d events have left the log, although the endpoint is paused", n)
	}

	r.mu.Lock()
	up = true
	r.mu.Unlock()

	b.eventually(true, `SELECT paused_until IS NULL AND failing_since IS NULL FROM endpoints WHERE id = $1`, e.ID)
	b.eventually("sent 302, waiting 1", states, e.ID) // the last one keeps its time: endless failures are to last for three days
	b.eventually(6, `SELECT attempts FROM deliveries WHERE state = 'waiting'`)
}

func TestWhatAnAnswerMeans(t *testing.T) { //nolint:paralleltest // setup does
	b := setup(t)
	elsewhere := newReceiver(t, nil)

	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter, nth int)
		want   string // state, attempts, status, seconds to wait (rounded), disabled, seconds of the pause
	}{
		"500": {func(w http.ResponseWriter, _ int) {
			w.WriteHeader(http.StatusInternalServerError)
			fmt.Fprint(w, "out of\x1b[31m order\n\n "+strings.Repeat("x", 300))
		}, "waiting 1 500 5 f 0"},
		"429 asks for later": {func(w http.ResponseWriter, _ int) {
			w.Header().Set("Retry-After", "600")
			w.WriteHeader(http.StatusTooManyRequests)
		}, "waiting 1 429 600 f 600"},
		"503 until a date": {func(w http.ResponseWriter, _ int) {
			w.Header().Set("Retry-After", time.Now().Add(48*time.Hour).UTC().Format(http.TimeFormat))
			w.WriteHeader(http.StatusServiceUnavailable)
		}, "waiting 1 503 86400 f 3600"},
		"400": {func(w http.ResponseWriter, _ int) { w.WriteHeader(http.StatusBadRequest) }, "waiting 1 400 5 f 0"},
		"302": {func(w http.ResponseWriter, _ int) {
			w.Header().Set("Location", elsewhere.URL)
			w.WriteHeader(http.StatusFound)
		}, "waiting 1 302 5 f 0"},
		"410":                 {func(w http.ResponseWriter, _ int) { w.WriteHeader(http.StatusGone) }, "waiting 1 410 5 t 0"},
		"204":                 {func(w http.ResponseWriter, _ int) { w.WriteHeader(http.StatusNoContent) }, "sent 1 204 - f 0"},
		"the connection ends": {func(http.ResponseWriter, int) { panic(http.ErrAbortHandler) }, "waiting 1 0 5 f 0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			r := newReceiver(t, c.answer)
			e := b.endpoint(r.URL, event.Created)
			b.events(event.Created, 1)

			one := bundle{T: t, pool: b.pool}
			one.follow(e, deliver.Options{Trips: 1_000})
			one.eventually(c.want, `
				SELECT state || ' ' || attempts || ' ' || status || ' '
					|| coalesce((round(extract(epoch FROM next_at - d.updated_at) / 5) * 5)::int::text, '-') || ' '
					|| (
						SELECT left((disabled_at IS NOT NULL)::text, 1) || ' ' || coalesce(round(extract(epoch FROM paused_until - d.updated_at) / 60) * 60, 0)
						FROM endpoints
						WHERE id = $1
					)
				FROM deliveries AS d
				WHERE endpoint_id = $1
				ORDER BY id
				LIMIT 1`, e.ID)
			one.eventually(true, `SELECT length(answer) <= 201 AND answer !~ '[[:cntrl:]]' FROM deliveries WHERE endpoint_id = $1 ORDER BY id LIMIT 1`, e.ID)
		})
	}

	t.Cleanup(func() {
		if got := elsewhere.ids(); len(got) != 0 {
			t.Errorf("a redirect was followed: %v", got)
		}
	})
}

// The last attempt gives the delivery up. An operator can have it sent again.
func TestADeliveryIsGivenUpAndRedelivered(t *testing.T) { //nolint:paralleltest // setup does
	b := setup(t)
	r := newReceiver(t, nil)
	r.answer = func(w http.ResponseWriter, nth int) {
		if nth == 1 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}
	e := b.endpoint(r.URL)
	want := b.events(event.Failed, 1)

	if _, err := b.pool.Exec(t.Context(), `
		INSERT INTO deliveries (endpoint_id, event_seq, event_id, event_type, event_at, order_id, state, attempts, next_at)
		SELECT $1, 1, $2, 'order.failed', now(), split_part($2, ':', 2)::uuid, 'waiting', 9, now()`, e.ID, want[0]); err != nil {
		t.Fatal(err)
	}

	if _, err := b.pool.Exec(t.Context(), `UPDATE endpoints SET position_seq = 1, position_n = 120`); err != nil {
		t.Fatal(err)
	}

	seen := &observed{}
	stop := b.follow(e, deliver.Options{Observer: seen})
	b.eventually("failed 1", states, e.ID)
	b.inTx(func(tx pgx.Tx) error {
		return dbtest.Err(delivery.Redeliver(t.Context(), tx, int64(dbtest.Count(t, b.pool, `SELECT id FROM deliveries`))))
	})
	b.eventually("sent 1", states, e.ID)
	stop()

	if seen.attempts != 2 || !slices.Equal(seen.states, []delivery.State{delivery.Failed, delivery.Sent}) {
		t.Errorf("an observer was told of %d attempts, and %v", seen.attempts, seen.states)
	}
}

// observed is what the followers have told.
type observed struct {
	attempts int
	states   []delivery.State
}

func (o *observed) DeliveryAttempted(delivery.Kind, time.Duration) { o.attempts++ }

func (o *observed) DeliveriesRecorded(_ delivery.Kind, results []delivery.Result) {
	for _, r := range results {
		o.states = append(o.states, r.State)
	}
}

// The test's receivers are at a loopback address.
func TestAddressesThatAreNotPublicAreRefused(t *testing.T) { //nolint:paralleltest // setup does
	b := setup(t)
	r := newReceiver(t, nil)
	e := b.endpoint(strings.Replace(r.URL, "127.0.0.1", "localhost", 1))
	b.events(event.Created, 1)
	b.follow(e, deliver.Options{Sender: deliver.NewWebhook(false)})
	b.eventually("waiting 1", states, e.ID)
	b.eventually(true, `SELECT answer LIKE '%is not a public address%' AND status = 0 FROM deliveries`)

	if len(r.ids()) != 0 {
		t.Error("it was sent")
	}
}

// An event of a product has the same id and data when it is sent again.
func TestAnEventOfAProductIsSentAgain(t *testing.T) { //nolint:paralleltest // setup does
	b := setup(t)
	r := newReceiver(t, nil)
	r.answer = func(w http.ResponseWriter, nth int) {
		if nth == 1 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}
	e := b.endpoint(r.URL, event.StockLow)

	if _, err := b.pool.Exec(t.Context(), `
		INSERT INTO products (sku, name, price, currency, available, low_stock) VALUES ('tea:green', 'Tea', 1, 'EUR', 10, 5)`); err != nil {
		t.Fatal(err)
	}

	if _, err := b.pool.Exec(t.Context(), `UPDATE products SET available = 4`); err != nil {
		t.Fatal(err)
	}

	b.follow(e, deliver.Options{})
	b.eventually("waiting 1", states, e.ID)

	if _, err := b.pool.Exec(t.Context(), `UPDATE deliveries SET next_at = now()`); err != nil {
		t.Fatal(err)
	}

	b.eventually("sent 1", states, e.ID)
	b.eventually(true, `SELECT sku = 'tea:green' AND order_id IS NULL AND attempts = 2 FROM deliveries`)

	if len(r.got) != 1 {
		t.Errorf("%v", r.got)
	}
}

// A fault of the database ends no job: an endpoint whose job has completed would get nothing until another is enqueued.
func TestAFaultOfTheDatabaseEndsNoJob(t *testing.T) { //nolint:paralleltest // setup does
	b := setup(t)
	e := b.endpoint("https://shop.example")
	f := deliver.New(deliver.Options{Pool: b.pool, Log: slog.New(slog.DiscardHandler), Sender: deliver.NewWebhook(true)})

	rename := func(from, to string) {
		if _, err := b.pool.Exec(t.Context(), `ALTER TABLE `+from+` RENAME TO `+to); err != nil {
			t.Fatal(err)
		}
	}

	rename("endpoints", "endpoints_gone")

	if err := f.Follow(t.Context(), e.ID); err == nil {
		t.Error("the job is completed, although the endpoint could not be read")
	}

	rename("endpoints_gone", "endpoints")
	b.inTx(func(tx pgx.Tx) error {
		return dbtest.Err(delivery.Disable(t.Context(), tx, e.ID, "test", order.Actor{Name: "test"}))
	})

	for _, id := range []uuid.UUID{e.ID, uuid.New()} {
		if err := f.Follow(t.Context(), id); err != nil {
			t.Errorf("the job goes on, although nothing is to be sent: %v", err)
		}
	}
}

// Events that were deleted before they were sent leave a gap that people see.
func TestEventsThatWereDeletedLeaveAGap(t *testing.T) { //nolint:paralleltest // setup does
	b := setup(t)
	r := newReceiver(t, nil)
	e := b.endpoint(r.URL)
	b.events(event.Created, 1)
	b.events(event.Created, 1)

	kept := b.events(event.Created, 1)
	if _, err := b.pool.Exec(t.Context(), `
		UPDATE endpoints SET position_seq = 1;
		DELETE FROM events WHERE seq < (SELECT max(seq) FROM events);
		UPDATE event_horizon SET pruned = (SELECT max(seq) - 1 FROM events)`); err != nil {
		t.Fatal(err)
	}

	b.follow(e, deliver.Options{})
	b.eventually("sent 1", states, e.ID)
	b.eventually(1, `SELECT gaps FROM endpoints`)

	if got := r.ids(); !slices.Equal(got, kept) {
		t.Errorf("%v, want %v", got, kept)
	}
}
