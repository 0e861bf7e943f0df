package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"orders/api"
	"orders/api/stream"
	"orders/db/change"
	"orders/order"
)

// watching is an API that reads watched orders only when it is notified, unless changed.
func watching(t *testing.T, change ...func(*stream.Options)) (*bundle, *stream.Watch) {
	t.Helper()

	var watch *stream.Watch

	b := setup(t, func(o *api.Options) {
		w := stream.Options{Pool: o.Pool, Log: o.Log, Encode: api.EncodeOrder, Poll: time.Hour, Pause: time.Millisecond}
		for _, c := range change {
			c(&w)
		}

		watch = stream.NewWatch(w)
		o.Watch = watch
	})

	t.Cleanup(watch.Close) // before the server, which waits for its streams
	b.stock(t, "tea", 100, 100)

	return b, watch
}

// events is a stream as its client reads it.
type events struct {
	t      *testing.T
	status int
	header http.Header
	body   io.ReadCloser
	lines  *bufio.Scanner
}

type sent struct {
	id, name, data string
	comment        bool
}

func (b *bundle) events(t *testing.T, id uuid.UUID, last string) *events {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)

	r, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url+"/orders/"+id.String()+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}

	r.Header.Set("Accept", "text/event-stream")

	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}

	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { response.Body.Close() })

	e := &events{t: t, status: response.StatusCode, header: response.Header, body: response.Body, lines: bufio.NewScanner(response.Body)}
	e.lines.Buffer(nil, 1<<20)

	return e
}

// next reads an event or a comment; false when the stream has ended.
func (e *events) next() (found sent, ok bool) {
	e.t.Helper()

	for e.lines.Scan() {
		field, value, _ := strings.Cut(e.lines.Text(), ": ")

		switch field {
		case "id":
			found.id = value
		case "event":
			found.name = value
		case "data":
			found.data = value
		case "":
			if value != "" {
				found.comment = true
			}

			if found != (sent{}) {
				return found, true
			}
		}
	}

	if err := e.lines.Err(); err != nil {
		e.t.Fatalf("read stream: %v", err)
	}

	return sent{}, false
}

// order reads the next event, which must be an order.
func (e *events) order() (sent, api.Order) {
	e.t.Helper()

	found, ok := e.next()
	if !ok || found.name != "order" {
		e.t.Fatalf("event %+v, want an order", found)
	}

	var o api.Order
	if err := json.Unmarshal([]byte(found.data), &o); err != nil {
		e.t.Fatal(err)
	}

	return found, o
}

// settled reads the last event and the end.
func (e *events) settled(status order.Status) sent {
	e.t.Helper()

	found, ok := e.next()
	if !ok || found.name != "settled" || found.data != fmt.Sprintf(`{"status":%q}`, status) {
		e.t.Fatalf("event %+v, want settled as %s", found, status)
	}

	if more, ok := e.next(); ok {
		e.t.Fatalf("%+v behind the last event", more)
	}

	return found
}

// sessions counts the connections that listen.
func (b *bundle) sessions(t *testing.T) (n int) {
	t.Helper()

	err := b.pool.QueryRow(t.Context(), `
		SELECT count(*)
		FROM pg_stat_activity
		WHERE datname = current_database() AND application_name = $1 AND query LIKE 'LISTEN%'`, change.ListenerApplication).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}

	return n
}

func (b *bundle) exec(t *testing.T, sql string, args ...any) {
	t.Helper()

	if _, err := b.pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()

	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

func TestEventsFollowAnOrderUntilItSettles(t *testing.T) {
	t.Parallel()
	b, _ := watching(t)
	placed := b.place(t, "u-1", "tea", 2)

	stream := b.events(t, placed.ID, "")
	if got := stream.header.Get("Content-Type"); stream.status != 200 || got != "text/event-stream" {
		t.Fatalf("%d %s", stream.status, got)
	}

	if got := stream.header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control = %q", got)
	}

	first, o := stream.order()
	if o.Status != order.Pending || o.ID != placed.ID || len(o.Lines) != 1 || first.id == "" {
		t.Errorf("first event %+v", first)
	}

	waitFor(t, "listening", func() bool { return b.sessions(t) == 1 })
	b.settle(t, placed.ID)
	change.NewNotifier(b.pool).Changed()

	// Each step is a transaction, so the watch may read the order between two of them.
	second, o := stream.order()
	for slices.ContainsFunc(o.Steps, func(s api.Step) bool { return s.State == order.Waiting }) {
		second, o = stream.order()
	}

	if o.Status != order.Confirmed || o.Steps[1].State != order.Done || second.id == first.id {
		t.Errorf("second event %+v", second)
	}

	if last := stream.settled(order.Confirmed); last.id == second.id {
		t.Error("the last event has the id of the one before")
	}
}

func TestEventsComeWithoutNotificationToo(t *testing.T) {
	t.Parallel()
	b, _ := watching(t, func(o *stream.Options) { o.Poll = 20 * time.Millisecond })
	placed := b.place(t, "u-1", "tea", 101)
	stream := b.events(t, placed.ID, "")
	stream.order()
	b.settle(t, placed.ID)

	if _, o := stream.order(); o.Status != order.Rejected {
		t.Errorf("status %s", o.Status)
	}

	stream.settled(order.Rejected)
}

func TestEventsShowSignsOfLife(t *testing.T) {
	t.Parallel()
	b, _ := watching(t, func(o *stream.Options) { o.Heartbeat = 10 * time.Millisecond })
	stream := b.events(t, b.place(t, "u-1", "tea", 1).ID, "")
	stream.order()

	for range 3 {
		if found, ok := stream.next(); !ok || !found.comment {
			t.Fatalf("%+v, want a comment", found)
		}
	}
}

func TestEventsAreNotRepeatedToWhoHasSeenThem(t *testing.T) {
	t.Parallel()
	b, _ := watching(t, func(o *stream.Options) { o.Heartbeat = 50 * time.Millisecond })
	id := b.place(t, "u-1", "tea", 1).ID

	stream := b.events(t, id, "")
	seen, _ := stream.order()
	stream.body.Close()

	stream = b.events(t, id, seen.id)
	if found, ok := stream.next(); !ok || !found.comment {
		t.Fatalf("%+v, though nothing is new", found)
	}

	b.settle(t, id)

	stream = b.events(t, id, seen.id) // the order has changed while nobody was there
	if seen, _ = stream.order(); seen.id == "" {
		t.Fatal("no id")
	}

	end := stream.settled(order.Confirmed)

	b.events(t, id, seen.id).settled(order.Confirmed) // cut off before the last event

	if stream = b.events(t, id, end.id); stream.status != 204 {
		t.Errorf("status %d for who has seen it all", stream.status)
	}

	// The queue deletes the jobs of steps that are done.
	b.exec(t, `DELETE FROM river_job`)

	if stream = b.events(t, id, end.id); stream.status != 204 {
		t.Errorf("status %d when the jobs are gone", stream.status)
	}

	stream = b.events(t, id, "something-else")
	stream.order()
	stream.settled(order.Confirmed)
}

func TestEventsOutliveTheConnectionThatListens(t *testing.T) {
	t.Parallel()
	b, _ := watching(t)
	id := b.place(t, "u-1", "tea", 1).ID
	stream := b.events(t, id, "")
	stream.order()

	waitFor(t, "listening", func() bool { return b.sessions(t) == 1 })
	b.exec(t, `UPDATE orders SET status_reason = 'changed unheard' WHERE id = $1`, id)
	b.exec(t, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1`, change.ListenerApplication)

	if _, o := stream.order(); o.StatusReason != "changed unheard" { // a new connection asks for a reading
		t.Errorf("reason %q", o.StatusReason)
	}

	waitFor(t, "listening", func() bool { return b.sessions(t) == 1 })
	b.settle(t, id)
	change.NewNotifier(b.pool).Changed()
	stream.order()
	stream.settled(order.Confirmed)

	if line := b.log.line(t, "lost the connection that listens for changed orders"); line == nil || line["level"] != "WARN" {
		t.Errorf("log line %v", line)
	}
}

func TestStreamsShareOneConnection(t *testing.T) {
	t.Parallel()
	b, _ := watching(t)

	const orders, streamsOfEach = 10, 5

	ids := make([]uuid.UUID, orders)
	streams := map[uuid.UUID][]*events{}

	for i := range ids {
		ids[i] = b.place(t, "u-1", "tea", 1).ID

		for range streamsOfEach {
			stream := b.events(t, ids[i], "")
			stream.order()
			streams[ids[i]] = append(streams[ids[i]], stream)
		}
	}

	waitFor(t, "listening", func() bool { return b.sessions(t) == 1 })
	b.settle(t, ids...)
	change.NewNotifier(b.pool).Changed()

	for id, list := range streams {
		for _, stream := range list {
			if _, o := stream.order(); o.ID != id || o.Status != order.Confirmed {
				t.Errorf("order %s %s in the stream of %s", o.ID, o.Status, id)
			}

			stream.settled(order.Confirmed)
		}
	}

	if n := b.sessions(t); n != 1 {
		t.Errorf("%d connections listen", n)
	}
}

func TestStreamsAreBounded(t *testing.T) {
	t.Parallel()
	b, _ := watching(t, func(o *stream.Options) { o.MaxStreams = 2 })
	id := b.place(t, "u-1", "tea", 1).ID
	path := "/orders/" + id.String() + "/events"

	first := b.events(t, id, "")
	first.order()
	b.events(t, id, "").order()

	wantProblem(t, b.ask(t, "GET", path, ""), 503, order.Unavailable)
	first.body.Close()

	waitFor(t, "a place", func() bool {
		stream := b.events(t, id, "")
		defer stream.body.Close()

		return stream.status == 200
	})

	if n := b.log.line(t, "request")["order_id"]; n != id.String() {
		t.Errorf("order_id = %v in the log", n)
	}
}

func TestAStreamEndsInTime(t *testing.T) {
	t.Parallel()
	b, _ := watching(t, func(o *stream.Options) { o.MaxDuration = 100 * time.Millisecond })
	stream := b.events(t, b.place(t, "u-1", "tea", 1).ID, "")
	stream.order()

	if found, ok := stream.next(); ok {
		t.Errorf("%+v, want the end", found)
	}
}

func TestAClientThatDoesNotReadIsCutOff(t *testing.T) {
	t.Parallel()
	b, _ := watching(t, func(o *stream.Options) { o.Poll, o.WriteTimeout = time.Millisecond, 200*time.Millisecond })
	id := b.place(t, "u-1", "tea", 1).ID

	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(b.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()

	fmt.Fprintf(conn, "GET /orders/%s/events HTTP/1.1\r\nHost: x\r\n\r\n", id)

	n := 0

	waitFor(t, "the end of the request", func() bool {
		n++
		b.exec(t, `UPDATE orders SET status_reason = repeat('x', 1000000) || $2::int WHERE id = $1`, id, n)

		return strings.Contains(b.log.String(), `"route":"GET /orders/{id}/events"`)
	})
}

func TestStreamsEndWithTheWatch(t *testing.T) {
	t.Parallel()
	b, watch := watching(t)
	id := b.place(t, "u-1", "tea", 1).ID
	stream := b.events(t, id, "")
	stream.order()
	waitFor(t, "listening", func() bool { return b.sessions(t) == 1 })

	watch.Close()

	if found, ok := stream.next(); ok {
		t.Errorf("%+v, want the end", found)
	}

	wantProblem(t, b.ask(t, "GET", "/orders/"+id.String()+"/events", ""), 503, order.Unavailable)
	waitFor(t, "silence", func() bool { return b.sessions(t) == 0 })
	watch.Close()
}

//nolint:paralleltest // it counts goroutines of the process
func TestStreamsLeaveNothingRunning(t *testing.T) {
	b, watch := watching(t)
	id := b.place(t, "u-1", "tea", 1).ID
	streams := make([]*events, 20)

	for i := range streams {
		streams[i] = b.events(t, id, "")
		streams[i].order()
	}

	if n := running(); n < len(streams) {
		t.Fatalf("%d goroutines found: the count is wrong", n)
	}

	for _, stream := range streams[:10] {
		stream.body.Close()
	}

	waitFor(t, "the end of those whose client has left", func() bool { return running() <= 10+2 })
	watch.Close()
	waitFor(t, "the end of all", func() bool { return running() == 0 })
}

// running counts the goroutines that are in code of streams.
func running() (n int) {
	buffer := make([]byte, 8<<20)

	for stack := range strings.SplitSeq(string(buffer[:runtime.Stack(buffer, true)]), "\n\n") {
		if slices.ContainsFunc([]string{"stream.(*Watch)", "stream.(*Stream)", "change.Listen"}, func(f string) bool { return strings.Contains(stack, f) }) {
			n++
		}
	}

	return n
}

func TestEventsAreRefusedLikeAnythingElse(t *testing.T) {
	t.Parallel()
	b, _ := watching(t)
	id := b.place(t, "u-1", "tea", 1).ID.String()

	wantProblem(t, b.ask(t, "GET", "/orders/"+uuid.NewString()+"/events", ""), 404, order.NotFound)
	wantProblem(t, b.ask(t, "GET", "/orders/x/events", ""), 422, order.Invalid)
	wantProblem(t, b.ask(t, "GET", "/orders/"+id+"/events", "", "Accept", "application/json"), 406, "not-acceptable")
	wantProblem(t, b.ask(t, "GET", "/orders/"+id, "", "Accept", "text/event-stream"), 406, "not-acceptable")
	wantProblem(t, b.ask(t, "GET", "/orders/"+id+"/events", "", "Last-Event-ID", strings.Repeat("x", 65)), 422, order.Invalid)

	if r := b.ask(t, "HEAD", "/orders/"+id+"/events", ""); r.status != 200 || r.header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("HEAD: %d %v", r.status, r.header)
	}
}

// What changes between a stream's first reading and its place in the watch is caught by the reading that its opening asks for.
func TestOpeningAStreamAsksForAReading(t *testing.T) {
	t.Parallel()
	b, _ := watching(t)
	id := b.place(t, "u-1", "tea", 1).ID
	first := b.events(t, id, "")
	first.order()
	waitFor(t, "listening", func() bool { return b.sessions(t) == 1 })
	time.Sleep(100 * time.Millisecond) // the readings that have been asked for so far

	b.exec(t, `UPDATE orders SET status_reason = 'changed unheard' WHERE id = $1`, id)
	b.events(t, id, "").order()

	if _, o := first.order(); o.StatusReason != "changed unheard" {
		t.Errorf("reason %q", o.StatusReason)
	}
}
