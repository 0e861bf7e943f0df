package idempotency_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/dbtest"
	"orders/db/groupcommit"
	"orders/db/idempotency"
	"orders/order"
)

// request makes a request of an operation, with a body.
func request(key, operation, body string) idempotency.Request {
	hash, _ := idempotency.HashOf(body) // a string can be encoded

	return idempotency.Request{Key: key, Operation: operation, Hash: hash}
}

func TestARequestIsDoneOnceForItsKey(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)
	done := 0

	ask := func(r idempotency.Request, failure error) (int, bool, error) {
		return idempotency.InTx(t.Context(), pool, r, func(pgx.Tx) (int, error) {
			done++

			return done, failure
		})
	}

	refusal := errors.New("refused")

	for _, c := range []struct {
		name     string
		request  idempotency.Request
		failure  error
		result   int
		replayed bool
		code     order.Code
	}{
		{"refused", request("k", "act", "a"), refusal, 0, false, order.Internal},
		{"another, as the key is free", request("k", "act", "b"), nil, 2, false, ""},
		{"again", request("k", "act", "b"), refusal, 2, true, ""},
		{"another body", request("k", "act", "a"), nil, 0, false, order.KeyReused},
		{"another operation", request("k", "other", "b"), nil, 0, false, order.KeyReused},
		{"another key", request("l", "act", "b"), nil, 3, false, ""},
		{"no key", request("", "act", "b"), nil, 4, false, ""},
		{"no key again", request("", "act", "b"), nil, 5, false, ""},
	} {
		result, replayed, err := ask(c.request, c.failure)
		if (err != nil) != (c.code != "") || err != nil && order.CodeOf(err) != c.code {
			t.Errorf("%s: %v", c.name, err)
		}

		if err == nil && (result != c.result || replayed != c.replayed) {
			t.Errorf("%s: %d, %t", c.name, result, replayed)
		}
	}
}

// Two requests with one key at the same moment: the second waits for the first, and is its replay if that is done.
func TestARequestWaitsForTheFirstWithItsKey(t *testing.T) {
	t.Parallel()

	for name, failure := range map[string]error{"done": nil, "refused": errors.New("refused")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			pool := dbtest.Pool(t)
			r := request("k", "act", "a")
			second := make(chan bool, 1)

			_, _, err := idempotency.InTx(t.Context(), pool, r, func(pgx.Tx) (string, error) {
				go func() {
					got, replayed, err := idempotency.InTx(t.Context(), pool, r, func(pgx.Tx) (string, error) { return "second", nil })
					if err != nil || got != map[bool]string{true: "first", false: "second"}[replayed] {
						t.Errorf("%q, %t, %v", got, replayed, err)
					}

					second <- replayed
				}()

				for dbtest.Count(t, pool, `SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE datname = current_database() AND NOT granted`) == 0 {
					if len(second) > 0 {
						t.Error("the second request did not wait")

						break
					}
				}

				return "first", failure
			})

			if !errors.Is(err, failure) || <-second != (failure == nil) {
				t.Errorf("the first: %v; whether the second is a replay is wrong", err)
			}
		})
	}
}

type item struct {
	request idempotency.Request
	refused bool
}

// In a batch, requests with one key are as if they came one after the other.
func TestABatchDoesEachKeyOnce(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)

	var did []string

	act := func(again bool) groupcommit.Batch[item, string] {
		return func(_ context.Context, _ pgx.Tx, items []item) ([]groupcommit.Result[string], error) {
			results := make([]groupcommit.Result[string], len(items))

			for i, item := range items {
				switch {
				case again:
					results[i].Value = "again"
				case item.refused:
					results[i].Err = order.Errorf(order.StateConflict, "no")
				default:
					did = append(did, item.request.Key)
					results[i].Value = "done"
				}
			}

			return results, nil
		}
	}
	batch := idempotency.Batch(func(i item) idempotency.Request { return i.request }, act(false), act(true))

	ask := func(items ...item) (told []string) {
		t.Helper()

		err := db.InTx(t.Context(), pool, func(tx pgx.Tx) error {
			results, err := batch(t.Context(), tx, items)
			for _, r := range results {
				if r.Err != nil {
					r.Value = string(order.CodeOf(r.Err))
				}

				told = append(told, r.Value)
			}

			return err
		})
		if err != nil {
			t.Fatal(err)
		}

		return told
	}

	first := ask(
		item{request("b", "act", "1"), false}, item{request("", "act", "1"), false}, item{request("a", "act", "1"), true},
		item{request("b", "act", "1"), false}, item{request("b", "act", "2"), false}, item{request("", "act", "1"), false},
		item{request("a", "act", "2"), false}, item{request("a", "act", "1"), false}, item{request("a", "act", "2"), false},
	)

	want := []string{"done", "done", "state-conflict", "again", "idempotency-key-reused", "done", "done", "idempotency-key-reused", "again"}
	if !slices.Equal(first, want) || !slices.Equal(did, []string{"b", "", "", "a"}) {
		t.Errorf("results %q, done %q", first, did)
	}

	if later := ask(item{request("c", "act", "1"), true}, item{request("b", "act", "1"), true}); !slices.Equal(later, []string{"state-conflict", "again"}) {
		t.Errorf("later: %q", later)
	}

	if n := dbtest.Count(t, pool, `SELECT count(*) FROM idempotency_keys WHERE key IN ('a', 'b')`); n != 2 {
		t.Errorf("%d keys", n)
	}

	if n := dbtest.Count(t, pool, `SELECT count(*) FROM idempotency_keys`); n != 2 {
		t.Errorf("%d keys, want none of the refused request", n)
	}
}

func TestKeysAreFoundByAnIndex(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)
	dbtest.Grow(t, pool, 20_000)

	for _, plan := range dbtest.Explain(t, pool, func(ctx context.Context, tx pgx.Tx) error {
		for range 2 {
			if _, _, err := idempotency.Do(ctx, tx, request("new", "act", "a"), func() (int, error) { return 1, nil }); err != nil {
				return err
			}
		}

		_, err := idempotency.Prune(ctx, tx, 50)

		return err
	}) {
		if dbtest.ScansGrowingTable(plan) {
			t.Error(plan)
		}
	}
}

// A key belongs to its client: two clients may use the same one. A key from before keys had
// clients is of whoever sends it again.
func TestAKeyBelongsToItsClient(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)
	before := request("before", "act", "a")

	for _, key := range []string{"before", "gone"} {
		if _, err := pool.Exec(t.Context(), `
			INSERT INTO idempotency_keys (scope, key, operation, request_hash, result)
			VALUES ('orders', $1, 'act', $2, '-1')`, key, before.Hash); err != nil {
			t.Fatal(err)
		}
	}

	done := 0

	for _, c := range []struct {
		client, key, body string
		result            int
		replayed, refused bool
	}{
		{client: "shop", key: "k", body: "a", result: 1},
		{client: "mall", key: "k", body: "a", result: 2},
		{client: "mall", key: "k", body: "a", result: 2, replayed: true},
		{client: "shop", key: "k", body: "a", result: 1, replayed: true},
		{client: "mall", key: "k", body: "b", refused: true},
		{client: "kiosk", key: "k", body: "b", result: 3},
		{client: "shop", key: "before", body: "a", result: -1, replayed: true},
		{client: "mall", key: "before", body: "b", refused: true},
		{client: "", key: "k", body: "a", result: 1, replayed: true}, // as a program of before has it
	} {
		r := request(c.key, "act", c.body)
		r.Client = c.client

		got, replayed, err := idempotency.InTx(t.Context(), pool, r, func(pgx.Tx) (int, error) {
			done++

			return done, nil
		})
		if got != c.result || replayed != c.replayed || (order.CodeOf(err) == order.KeyReused) != c.refused {
			t.Errorf("%+v: %d, %t, %v", c, got, replayed, err)
		}
	}

	// A program of the release before finds the key of the first client.
	if n := dbtest.Count(t, pool, `SELECT count(*) FROM idempotency_keys WHERE scope = 'orders' AND key = 'k' AND client = 'shop'`); n != 1 {
		t.Errorf("%d keys in the shared scope", n)
	}

	// The first client's key is pruned: the others keep theirs.
	if _, err := pool.Exec(t.Context(), `DELETE FROM idempotency_keys WHERE client = 'shop'`); err != nil {
		t.Fatal(err)
	}

	r := request("k", "act", "a")
	r.Client = "mall"

	if got, replayed, err := idempotency.InTx(t.Context(), pool, r, func(pgx.Tx) (int, error) { return 4, nil }); got != 2 || !replayed || err != nil {
		t.Errorf("%d, %t, %v", got, replayed, err)
	}
}

// In a batch, too. A refusal frees the key of its own client only.
func TestABatchHasKeysOfClients(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)
	act := func(value string) groupcommit.Batch[item, string] {
		return func(_ context.Context, _ pgx.Tx, items []item) ([]groupcommit.Result[string], error) {
			results := make([]groupcommit.Result[string], len(items))

			for i, item := range items {
				if results[i].Value = value + item.request.Client; item.refused && value == "done " {
					results[i].Err = order.Errorf(order.StateConflict, "no")
				}
			}

			return results, nil
		}
	}
	batch := idempotency.Batch(func(i item) idempotency.Request { return i.request }, act("done "), act("again "))
	of := func(client string, refused bool) item {
		r := request("k", "act", "a")
		r.Client = client

		return item{request: r, refused: refused}
	}

	for _, c := range []struct {
		items []item
		want  string
	}{
		{[]item{of("mall", true), of("shop", false), of("shop", false)}, "[refused done shop again shop]"},
		{[]item{of("shop", true), of("mall", false), of("mall", true)}, "[again shop done mall again mall]"},
	} {
		var got []string

		if err := db.InTx(t.Context(), pool, func(tx pgx.Tx) error {
			results, err := batch(t.Context(), tx, c.items)
			for _, r := range results {
				if r.Err != nil {
					r.Value = "refused"
				}

				got = append(got, r.Value)
			}

			return err
		}); err != nil || fmt.Sprint(got) != c.want {
			t.Errorf("%v, want %s; %v", got, c.want, err)
		}
	}
}
