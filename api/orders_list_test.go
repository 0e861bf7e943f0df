package api_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"orders/api"
	"orders/api/operation"
	"orders/api/problem"
	"orders/order"
)

// inQuery is a time as a query has it.
func inQuery(v time.Time) string { return url.QueryEscape(v.Format(time.RFC3339Nano)) }

func TestListOrdersByTimeAndProduct(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 1250, 10)
	b.stock(t, "mug", 890, 10)

	first := b.place(t, "u-1", "tea", 1)
	second := b.place(t, "u-1", "mug", 1)
	third := b.place(t, "u-2", "tea", 1)
	b.settle(t, first.ID) // the last update

	updated := as[api.Order](t, b.ask(t, "GET", "/orders/"+first.ID.String(), ""), 200).UpdatedAt

	for query, want := range map[string][]api.Order{
		"sku=tea":             {third, first},
		"sku=tea&user_id=u-1": {first},
		"sku=coffee":          {},
		"created_from=" + inQuery(second.CreatedAt):                         {third, second},
		"created_to=" + inQuery(second.CreatedAt):                           {first},
		"updated_from=" + inQuery(second.CreatedAt):                         {second, third, first},
		"updated_from=" + inQuery(updated):                                  {first},
		"updated_to=" + inQuery(updated):                                    {second, third},
		"updated_to=" + inQuery(updated) + "&sku=tea":                       {third},
		"status=pending,confirmed":                                          {third, second, first},
		"status=confirmed,confirmed":                                        {first},
		"status=pending&sku=mug":                                            {second},
		"updated_from=2026-01-05T09:30:00%2B01:00":                          {second, third, first},
		"created_from=1970-01-01T00:00:00Z&created_to=9999-12-31T23:59:59Z": {third, second, first},
		"created_to=1970-01-01T00:00:00Z":                                   {},
	} {
		id := func(o api.Order) uuid.UUID { return o.ID }

		got := operation.Each(as[orderPage](t, b.ask(t, "GET", "/orders?"+query, ""), 200).Orders, id)
		if wanted := operation.Each(want, id); !slices.Equal(got, wanted) {
			t.Errorf("%s: got %v, want %v", query, got, wanted)
		}
	}
}

func TestFiltersThatMeanNothingAreRefused(t *testing.T) {
	t.Parallel()
	b := serve(t)

	for query, place := range map[string]string{
		"status=pending,":                   "query.status[1]",
		"status=paid":                       "query.status[0]",
		"sku=..":                            "query.sku",
		"created_from=yesterday":            "query.created_from",
		"created_from=2026-01-05":           "query.created_from",
		"created_from=0001-01-01T00:00:00Z": "query.created_from",
		"updated_to=0001-01-01T00:00:00Z":   "query.updated_to",
		"updated_to=1969-12-31T23:59:59Z":   "query.updated_to",
		"created_from=2026-01-05T09:30:00Z&created_to=2026-01-05T09:30:00Z": "query.created_to",
		"updated_from=2026-01-05T09:30:00Z&updated_to=2025-01-05T09:30:00Z": "query.updated_to",
	} {
		p := wantProblem(t, b.ask(t, "GET", "/orders?"+query, ""), 422, order.Invalid)
		if len(p.Errors) != 1 || p.Errors[0].Location != place || strings.Contains(p.Errors[0].Message, "15:04") {
			t.Errorf("%s: %+v", query, p.Errors)
		}
	}
}

// An empty filter would list everything. Each list refuses each of its parameters if it is
// empty, except cursor: next_cursor of the last page is empty.
func TestAnEmptyFilterIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 1250, 1) // for the lists of a product

	checked := 0

	for path, item := range document(t, b)["paths"].(node) {
		get, ok := item.(node)["get"].(node)
		if !ok {
			continue
		}

		address := strings.NewReplacer("{id}", "u-1", "{sku}", "tea").Replace(path)

		for _, parameter := range list(get["parameters"]) {
			p, _ := parameter.(node)
			if p["in"] != "query" {
				continue
			}

			r := b.ask(t, "GET", fmt.Sprintf("%s?%s=", address, p["name"]), "")
			checked++

			if p["name"] == "cursor" {
				if r.status != 200 {
					t.Errorf("%s: an empty cursor: %s", path, r.body)
				}

				continue
			}

			if refused := wantProblem(t, r, 422, order.Invalid); len(refused.Errors) != 1 || refused.Errors[0].Location != fmt.Sprint("query.", p["name"]) {
				t.Errorf("%s: %s: %+v", path, p["name"], refused)
			}
		}
	}

	if checked < 20 {
		t.Errorf("only %d parameters were checked", checked)
	}
}

// A cursor goes on with the list that it is of: other filters, or another customer, would skip
// what is before its position.
func TestACursorIsGoodForItsFiltersOnly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 1250, 10)

	for range 3 {
		o := b.place(t, "u-1", "tea", 1)
		b.settle(t, o.ID)
	}

	next := func(path string) string {
		page := as[map[string]any](t, b.ask(t, "GET", path, ""), 200)

		cursor, _ := page["next_cursor"].(string)
		if cursor == "" {
			t.Fatalf("%s: no next page", path)
		}

		return cursor
	}

	orders, points := next("/orders?user_id=u-1&status=confirmed&limit=1"), next("/users/u-1/points?limit=1")

	for path, good := range map[string]bool{
		"/orders?user_id=u-1&status=confirmed&cursor=" + orders:         true,
		"/orders?limit=7&status=confirmed&user_id=u-1&cursor=" + orders: true,
		"/orders?user_id=u-2&status=confirmed&cursor=" + orders:         false,
		"/orders?user_id=u-1&cursor=" + orders:                          false,
		"/orders?cursor=" + orders:                                      false,
		"/orders?user_id=u-1&status=confirmed&sku=tea&cursor=" + orders: false,
		"/users/u-1/points?cursor=" + points:                            true,
		"/users/u-2/points?cursor=" + points:                            false,
		"/users/u-1/notifications?cursor=" + points:                     false,
	} {
		r := b.ask(t, "GET", path, "")
		if good {
			as[map[string]any](t, r, 200)
		} else {
			wantProblem(t, r, 422, problem.BadCursor)
		}
	}
}
