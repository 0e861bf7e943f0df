package event_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/dbtest"
	"orders/db/event"
)

func appendEvents(t *testing.T, tx pgx.Tx, kind event.Type, ids ...uuid.UUID) {
	t.Helper()

	if err := event.Append(t.Context(), tx, kind, ids); err != nil {
		t.Fatal(err)
	}
}

func commitEvents(t *testing.T, pool *pgxpool.Pool, kind event.Type, ids ...uuid.UUID) {
	t.Helper()

	if err := db.InTx(t.Context(), pool, func(tx pgx.Tx) error { return event.Append(t.Context(), tx, kind, ids) }); err != nil {
		t.Fatal(err)
	}
}

func someIDs(n int) []uuid.UUID {
	ids := make([]uuid.UUID, n)
	for i := range ids {
		ids[i] = uuid.Must(uuid.NewV7())
	}

	return ids
}

// complete waits until the log is complete up to all numbers that have been drawn. Transactions of other
// tests, in other databases of the server, hold it back for moments.
func complete(t *testing.T, pool *pgxpool.Pool) int64 {
	t.Helper()

	var horizon event.Horizon

	for {
		now, err := horizon.Read(t.Context(), pool)
		if err != nil {
			t.Fatal(err)
		}

		if now.Complete == now.Drawn {
			return now.Complete
		}

		time.Sleep(5 * time.Millisecond)
	}
}

func idsOf(events []event.Event) (ids []uuid.UUID) {
	for _, e := range events {
		ids = append(ids, e.OrderID)
	}

	return ids
}

// A transaction that has drawn a number and stays open hides what others committed behind it:
// a reader that went on would miss it.
func TestAnOpenTransactionHoldsTheHorizon(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)
	ids := someIDs(3)
	commitEvents(t, pool, event.Created, ids[0])

	before := complete(t, pool)

	open, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer open.Rollback(context.Background())

	appendEvents(t, open, event.Created, ids[1])
	commitEvents(t, pool, event.Created, ids[2])

	var horizon event.Horizon

	for range 20 {
		now, err := horizon.Read(t.Context(), pool)
		if err != nil || now.Complete > before || now.Drawn <= before {
			t.Fatalf("%+v, %v: the open transaction has number %d", now, err, before+1)
		}
	}

	if err := open.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}

	events, _, err := event.Read(t.Context(), pool, event.Start, complete(t, pool), nil, 10)
	if err != nil || !slices.Equal(idsOf(events), ids) {
		t.Errorf("%v, %v, want %v", idsOf(events), err, ids)
	}
}

// The horizon relies on it: an id that is drawn after the number could be above the id that a reading takes.
func TestATransactionHasItsIDBeforeItDrawsANumber(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)
	commitEvents(t, pool, event.Created, someIDs(1)...) // the first number is logged, which gives the transaction an id

	if _, err := pool.Exec(t.Context(), `
		CREATE FUNCTION has_id() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			IF pg_current_xact_id_if_assigned() IS NULL THEN
				RAISE EXCEPTION 'seq % was drawn before the transaction had an id', NEW.seq;
			END IF;
			RETURN NEW;
		END $$;
		CREATE TRIGGER has_id BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION has_id()`); err != nil {
		t.Fatal(err)
	}

	commitEvents(t, pool, event.Created, someIDs(1)...)
}

// Many transactions commit, roll back and wait for each other, while a reader follows. It gets
// what was committed, each event once, and those of an order in the order of its transactions.
func TestAReaderMissesNothing(t *testing.T) {
	t.Parallel()

	const (
		writers = 8
		rounds  = 25
	)

	var (
		pool      = dbtest.Pool(t)
		shared    = uuid.Must(uuid.NewV7()) // the order that all change, under its lock
		mu        sync.Mutex
		committed []uuid.UUID
		work      sync.WaitGroup
	)

	if _, err := pool.Exec(t.Context(), `CREATE TABLE locked AS SELECT 0 AS turn`); err != nil {
		t.Fatal(err)
	}

	for range writers {
		work.Go(func() {
			for range rounds {
				id, keeps := uuid.Must(uuid.NewV7()), rand.IntN(4) > 0

				err := db.InTx(t.Context(), pool, func(tx pgx.Tx) error {
					if err := event.Append(t.Context(), tx, event.Created, []uuid.UUID{id}); err != nil {
						return err
					}

					if _, err := tx.Exec(t.Context(), `SELECT pg_sleep(random() * 0.01)`); err != nil || !keeps {
						return errors.Join(err, errRolledBack)
					}

					if _, err := tx.Exec(t.Context(), `UPDATE locked SET turn = turn + 1`); err != nil {
						return err
					}

					return event.Append(t.Context(), tx, event.Confirmed, []uuid.UUID{shared})
				})
				if keeps && err != nil {
					t.Error(err)
				}

				if keeps {
					mu.Lock()
					committed = append(committed, id)
					mu.Unlock()
				}
			}
		})
	}

	done := make(chan struct{})

	go func() { work.Wait(); close(done) }()

	var (
		read    []uuid.UUID
		turns   int
		horizon event.Horizon
		at      event.Position
	)

	for last := false; !last; {
		select {
		case <-done:
			last = true
		default:
		}

		now, err := horizon.Read(t.Context(), pool)
		if err != nil {
			t.Fatal(err)
		}

		if last {
			now.Complete = complete(t, pool)
		}

		for at.Seq < now.Complete {
			events, next, err := event.Read(t.Context(), pool, at, now.Complete, nil, 7)
			if err != nil {
				t.Fatal(err)
			}

			for _, e := range events {
				if e.Type == event.Confirmed {
					turns++
				} else {
					read = append(read, e.OrderID)
				}
			}

			if next == at {
				break
			}

			at = next
		}
	}

	sort := func(ids []uuid.UUID) []uuid.UUID {
		return slices.SortedFunc(slices.Values(ids), func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	}

	if got, want := sort(read), sort(committed); !slices.Equal(got, want) || turns != len(want) {
		t.Errorf("read %d and %d events, want %d of each", len(got), turns, len(want))
	}
}

var errRolledBack = errors.New("rolled back")

// Rows hold the events of many orders, and pages end within rows.
func TestPages(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)
	ids := someIDs(250)
	commitEvents(t, pool, event.Created, ids...)
	commitEvents(t, pool, event.Rejected, ids[:2]...)

	if n := dbtest.Count(t, pool, `SELECT count(*) FROM events`); n != 4 {
		t.Errorf("%d rows", n)
	}

	horizon := complete(t, pool)

	follow := func(types []event.Type, limit int) (got []uuid.UUID) {
		for at := event.Start; ; {
			events, next, err := event.Read(t.Context(), pool, at, horizon, types, limit)
			if err != nil || len(events) > limit {
				t.Fatal(len(events), err)
			}

			got = append(got, idsOf(events)...)

			if next == at && len(events) > 0 {
				t.Fatalf("the page of %d events behind %s ends there, too", len(events), at)
			}

			if next == event.End(horizon) || next == at {
				return got
			}

			if parsed, ok := event.ParsePosition(next.String()); !ok || parsed != next {
				t.Fatalf("%s is %v", next, parsed)
			}

			at = next
		}
	}

	for _, limit := range []int{1, 100, 251, 1000} { // 251 ends within the last row
		if got := follow(nil, limit); !slices.Equal(got, slices.Concat(ids, ids[:2])) {
			t.Errorf("by %d: %d events", limit, len(got))
		}
	}

	if got := follow([]event.Type{event.Rejected, event.Failed}, 1); !slices.Equal(got, ids[:2]) {
		t.Errorf("rejected: %v", got)
	}

	for _, bad := range []string{"", "1", "-1-1", "1-", "1-2-3", "01-2", "99999999999999999999-1", "1-99999999999", "a-b", " 1-2"} {
		if p, ok := event.ParsePosition(bad); ok {
			t.Errorf("%q is %v", bad, p)
		}
	}
}

// A reader that was away for longer than events are kept is told. One that begins is not.
func TestPrune(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)
	ids := someIDs(3)

	for _, id := range ids {
		commitEvents(t, pool, event.Created, id)
	}

	horizon := complete(t, pool)

	prune := func(keep time.Duration, limit int, want int64) {
		t.Helper()

		err := db.InTx(t.Context(), pool, func(tx pgx.Tx) error {
			n, err := event.Prune(t.Context(), tx, keep, limit)
			if n != want {
				t.Errorf("%d deleted, want %d", n, want)
			}

			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}

	read := func(at event.Position, want error, ids ...uuid.UUID) {
		t.Helper()

		events, _, err := event.Read(t.Context(), pool, at, horizon, nil, 10)
		if !errors.Is(err, want) || !slices.Equal(idsOf(events), ids) {
			t.Errorf("behind %s: %v, %v", at, events, err)
		}
	}

	prune(time.Hour, 10, 0)
	read(event.Start, nil, ids...)

	if _, err := pool.Exec(t.Context(), `UPDATE events SET at = at - interval '2 h' WHERE seq < $1`, horizon); err != nil {
		t.Fatal(err)
	}

	prune(time.Hour, 1, 1)
	prune(time.Hour, 10, 1)
	prune(time.Hour, 10, 0)

	read(event.Start, nil, ids[2])
	read(event.End(horizon-1), nil, ids[2])
	read(event.End(horizon-2), event.ErrPruned)
	read(event.End(0), nil, ids[2])
}
