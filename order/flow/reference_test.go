package flow_test

import (
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/groupcommit"
	"orders/order"
	"orders/order/flow"
	"orders/order/ordertest"
)

// referring requests an order with a reference.
func referring(key, reference string) flow.Placement {
	p := ordertest.Placement(key, ordertest.Line("tea", 1))
	p.Draft.Reference = reference

	return p
}

// holderOf is the order that a refusal names; a zero id if it is no refusal of a reference.
func holderOf(err error) uuid.UUID {
	refusal, ok := errors.AsType[*order.Error](err)
	if !ok || refusal.Code != order.ReferenceUsed {
		return uuid.Nil
	}

	return uuid.MustParse(refusal.OrderID)
}

func TestAReferenceNamesOneOrder(t *testing.T) {
	t.Parallel()

	b := ordertest.Setup(t, map[string]int64{"tea": 10})
	first, other, free := referring("k-1", "web-1"), referring("k-2", "web-1"), referring("", "web-2")
	replay, keyless, none := first, referring("", "web-1"), referring("", "")
	replay.OrderID = uuid.Must(uuid.NewV7())
	first.Draft.Metadata, first.Draft.Note = map[string]string{"channel": "web"}, "ring twice"
	first.Draft.Contact = order.Contact{Email: "ada@example.com", Locale: order.SimplifiedChinese}
	free.Draft.Locale = order.English

	place := func(items ...flow.Placement) (results []groupcommit.Result[flow.Placed]) {
		b.InTx(func(tx pgx.Tx) (err error) {
			results, err = flow.Place(b.Queue)(t.Context(), tx, items)

			return err
		})

		return results
	}

	check := func(results []groupcommit.Result[flow.Placed]) {
		t.Helper()

		for i, id := range map[int]uuid.UUID{0: first.OrderID, 2: first.OrderID, 4: free.OrderID, 5: none.OrderID} {
			if results[i].Err != nil || results[i].Value.Order.ID != id {
				t.Errorf("%d: %+v", i, results[i])
			}
		}

		if holderOf(results[1].Err) != first.OrderID || holderOf(results[3].Err) != first.OrderID || !results[2].Value.Replayed {
			t.Errorf("%+v", results)
		}
	}

	check(place(first, other, replay, keyless, free, none)) // of one batch, the first gets it
	check(place(first, other, replay, keyless, free, none)) // and an attempt after an unknown commit finds its orders

	if n := b.Count(`SELECT count(*) FROM orders`); n != 3 {
		t.Errorf("%d orders", n)
	}

	if n := b.Count(`SELECT count(*) FROM idempotency_keys WHERE key = 'k-2'`); n != 0 {
		t.Error("the key of a refused order is not free")
	}

	o := b.Read(first.OrderID)
	if o.Reference != "web-1" || !maps.Equal(o.Metadata, first.Draft.Metadata) || o.Note != "ring twice" || o.Email != "" || o.Locale != order.SimplifiedChinese {
		t.Errorf("%+v", o)
	}

	if n := b.Count(`SELECT count(*) FROM orders WHERE metadata IS NULL AND note IS NULL AND email IS NULL AND locale IS NULL`); n != 2 {
		t.Errorf("%d orders have none of what is optional", n)
	}

	if n := b.Count(`SELECT count(*) FROM orders WHERE email = 'ada@example.com' AND locale = 'zh-CN'`); n != 1 {
		t.Errorf("%d orders have the address and the locale", n)
	}

	b.InTx(func(tx pgx.Tx) error {
		_, err := db.Notify(t.Context(), tx, []db.Notice{{OrderID: first.OrderID, Template: order.NoticeCreated}, {OrderID: free.OrderID, Template: order.NoticeCreated}})

		return err
	})

	for id, text := range map[uuid.UUID]string{first.OrderID: "您的订单已创建", free.OrderID: "your order has been created"} { //nolint:gosmopolitan // the language is what is tested
		if n := b.Count(`SELECT count(*) FROM notifications WHERE order_id = $1 AND body = $2`, id, text); n != 1 {
			t.Errorf("%d messages %q", n, text)
		}
	}

	if n := b.Count(`SELECT count(*) FROM river_job WHERE args::text || metadata::text LIKE ANY ('{%ring%,%channel%,%ada@%}')`); n != 0 {
		t.Errorf("%d jobs have what may be personal data", n)
	}

	other.Draft.Reference = "web-3"
	if result := place(other)[0]; result.Err != nil || result.Value.Replayed {
		t.Errorf("with a free reference: %+v", result)
	}
}

// Of two transactions that place orders of one reference, the second waits for the first. It
// refuses the reference if the first commits, and has it if the first rolls back.
func TestAReferenceInTwoTransactions(t *testing.T) {
	t.Parallel()

	for name, commit := range map[string]bool{"the first commits": true, "the first rolls back": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := ordertest.Setup(t, map[string]int64{"tea": 10})
			first, second := referring("k-1", "web-1"), referring("k-2", "web-1")

			tx, err := b.Pool.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}

			if err := done(flow.Place(b.Queue)(t.Context(), tx, []flow.Placement{first})); err != nil {
				t.Fatal(err)
			}

			result := make(chan error, 1)

			go func() {
				_, err := b.Place.Do(t.Context(), second)
				result <- err
			}()

			for b.Count(`SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE datname = current_database() AND NOT granted`) == 0 {
				time.Sleep(time.Millisecond)
			}

			if commit {
				err = tx.Commit(t.Context())
			} else {
				err = tx.Rollback(t.Context())
			}

			if err != nil {
				t.Fatal(err)
			}

			err = <-result
			if commit && holderOf(err) != first.OrderID || !commit && err != nil {
				t.Errorf("the second: %v", err)
			}

			want := map[bool]string{true: "k-1", false: "k-2"}[commit]
			if n := b.Count(`SELECT count(*) FROM orders JOIN idempotency_keys ON order_id = id WHERE reference = 'web-1' AND key = $1`, want); n != 1 {
				t.Errorf("%d orders have reference and key %s", n, want)
			}

			if n := b.Count(`SELECT count(*) FROM idempotency_keys`); n != 1 {
				t.Errorf("%d keys", n)
			}
		})
	}
}
