package db_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/dbtest"
	"orders/order"
)

// listed reads all pages of a list.
func listed(t *testing.T, q db.Querier, f db.OrderFilter) (ids []uuid.UUID) {
	t.Helper()

	for f.After = nil; ; {
		orders, err := db.ListOrders(t.Context(), q, f)
		if err != nil {
			t.Fatal(err)
		}

		if len(orders) == 0 {
			return ids
		}

		last := orders[len(orders)-1]
		f.After = &db.OrderPosition{UpdatedAt: last.UpdatedAt, ID: last.ID}

		for _, o := range orders {
			ids = append(ids, o.ID)
		}
	}
}

// A stored order is what a list is made of.
type stored struct {
	ID                   uuid.UUID
	UserID, SKU          string
	Status               order.Status
	CreatedAt, UpdatedAt time.Time
}

// Each combination of filters lists what a filter over all orders finds, each order once and
// in its order.
func TestListsHaveTheOrdersThatMatchAllFilters(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)

	// Orders of the last ten minutes, in which some of each status were updated later. Two have one update time.
	_, err := pool.Exec(t.Context(), `
		INSERT INTO orders (id, user_id, status, currency, total, created_at, updated_at)
		SELECT
			uuid_at(now() - n * interval '1 minute'), 'u-' || n % 2,
			(ARRAY['pending', 'confirmed', 'rejected'])[n % 3 + 1], 'EUR', 1, now() - n * interval '1 minute',
			now() - CASE n % 3 WHEN 0 THEN n * interval '1 minute' ELSE (n / 4) * interval '1 minute' END
		FROM generate_series(1, 12) AS n`)
	if err != nil {
		t.Fatal(err)
	}

	if _, err := pool.Exec(t.Context(), `
		INSERT INTO order_lines (order_id, sku, quantity, unit_price)
		SELECT id, 'sku-' || extract(minute FROM created_at)::int % 2, 1, 1 FROM orders`); err != nil {
		t.Fatal(err)
	}

	rows, err := pool.Query(t.Context(), `
		SELECT id, user_id, sku, status, created_at, updated_at FROM orders JOIN order_lines ON order_id = id`)
	if err != nil {
		t.Fatal(err)
	}

	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[stored])
	if err != nil {
		t.Fatal(err)
	}

	times := make([]time.Time, 1, 13)
	for _, o := range all[:6] {
		times = append(times, o.UpdatedAt, o.CreatedAt)
	}

	checked := 0

	for _, user := range []string{"", "u-1"} {
		for _, sku := range []string{"", "sku-0"} {
			for _, statuses := range [][]order.Status{nil, {order.Rejected}, {order.Confirmed, order.Pending, order.Pending}} {
				for i, from := range times {
					to := times[(i*5+3)%len(times)]

					for _, f := range []db.OrderFilter{
						{Created: db.Period{From: from, To: to}},
						{Updated: db.Period{From: from, To: to}},
						{Created: db.Period{From: from}, Updated: db.Period{To: to}},
					} {
						f.UserID, f.SKU, f.Statuses = user, sku, statuses
						want := matching(all, f)

						for f.Limit = 1; f.Limit <= 13; f.Limit += 4 {
							if got := listed(t, pool, f); !slices.Equal(got, want) {
								t.Fatalf("%+v: %v, want %v", f, got, want)
							}
						}

						checked += len(want)
					}
				}
			}
		}
	}

	if checked < 100 {
		t.Errorf("only %d orders matched", checked)
	}
}

// matching is the model: it looks at each order.
func matching(all []stored, f db.OrderFilter) (ids []uuid.UUID) {
	in := func(at time.Time, p db.Period) bool {
		return (p.From.IsZero() || !at.Before(p.From)) && (p.To.IsZero() || at.Before(p.To))
	}

	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b stored) int {
		switch {
		case f.Updated == (db.Period{}):
			return slices.Compare(b.ID[:], a.ID[:])
		case !a.UpdatedAt.Equal(b.UpdatedAt):
			return a.UpdatedAt.Compare(b.UpdatedAt)
		default:
			return slices.Compare(a.ID[:], b.ID[:])
		}
	})

	for _, o := range all {
		if (f.UserID == "" || o.UserID == f.UserID) && (f.SKU == "" || o.SKU == f.SKU) &&
			(f.Statuses == nil || slices.Contains(f.Statuses, o.Status)) && in(o.CreatedAt, f.Created) && in(o.UpdatedAt, f.Updated) {
			ids = append(ids, o.ID)
		}
	}

	return ids
}

// A list by update does not have what is committed later. Whoever begins again a minute before
// the newest update that was seen finds it.
func TestAnUpdateThatIsCommittedLateIsFoundByTheNextPoll(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)
	late, soon := uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7())
	start := time.Now().Add(-time.Minute)

	for _, id := range []uuid.UUID{late, soon} {
		if _, err := pool.Exec(t.Context(), `INSERT INTO orders (id, user_id, status, currency, total) VALUES ($1, 'u-1', 'pending', 'EUR', 1)`, id); err != nil {
			t.Fatal(err)
		}
	}

	move := func(tx pgx.Tx, id uuid.UUID) {
		if err := db.SetStatus(t.Context(), tx, []db.Move{{OrderID: id, To: order.Confirmed}}); err != nil {
			t.Fatal(err)
		}
	}

	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	move(tx, late)

	if err := db.InTx(t.Context(), pool, func(tx pgx.Tx) error {
		move(tx, soon)

		return nil
	}); err != nil {
		t.Fatal(err)
	}

	seen, err := db.ListOrders(t.Context(), pool, db.OrderFilter{Updated: db.Period{From: start}, Limit: 10})
	if err != nil || len(seen) != 2 || seen[1].ID != soon || seen[0].Status != order.Pending {
		t.Fatalf("%+v, %v", seen, err)
	}

	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}

	newest := seen[1].UpdatedAt

	again, err := db.ListOrders(t.Context(), pool, db.OrderFilter{Updated: db.Period{From: newest.Add(-time.Minute)}, Limit: 10})
	if err != nil || !slices.ContainsFunc(again, func(o order.Order) bool { return o.ID == late && o.Status == order.Confirmed }) {
		t.Errorf("%s, %v", fmt.Sprint(again), err)
	}
}
