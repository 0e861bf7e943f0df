package console

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"orders/api/operation"
	"orders/db"
	"orders/db/lookup"
	"orders/order"
)

// pageSize is how many rows a list shows.
const pageSize = 50

// A pageLink is the address of the next page of a list; empty if there is none.
type pageLink struct {
	Next  string
	First string // of the first page, if this is another
}

// paging makes the links of a list from the cursor of its next page.
func paging(r *http.Request, next operation.NextPage) (p pageLink) {
	query := r.URL.Query()
	query.Del("done")

	if query.Has("cursor") {
		query.Del("cursor")
		p.First = r.URL.Path + "?" + query.Encode()
	}

	if next.NextCursor != "" {
		query.Set("cursor", next.NextCursor)
		p.Next = r.URL.Path + "?" + query.Encode()
	}

	return p
}

func pageOf(r *http.Request) operation.Page {
	return operation.Page{Limit: pageSize, Cursor: r.URL.Query().Get("cursor")}
}

type ordersPage struct {
	pageLink

	Orders   []order.Order
	Statuses []order.Status
	Filter   orderFilter
	Filtered bool
}

// An orderFilter is what the form above the list has.
type orderFilter struct {
	UserID, SKU, Reference string
	Status                 order.Status
	From, To               string
}

// minute is how browsers send a field of type datetime-local. The fields are labelled UTC.
const minute = "2006-01-02T15:04"

func filterOf(query url.Values) (orderFilter, db.OrderFilter, error) {
	text := func(name string) string { return strings.TrimSpace(query.Get(name)) }
	shown := orderFilter{
		UserID: text("user_id"), SKU: text("sku"), Reference: text("reference"),
		Status: order.Status(text("status")), From: text("from"), To: text("to"),
	}
	f := db.OrderFilter{UserID: shown.UserID, SKU: shown.SKU, Reference: shown.Reference}

	if shown.Status != "" {
		f.Statuses = []order.Status{shown.Status}

		if !slices.Contains(order.Statuses(), shown.Status) {
			return shown, f, order.Errorf(order.Invalid, "%q is no status; choose one from the list.", shown.Status)
		}
	}

	var err error
	if f.Created.From, err = timeOf(shown.From); err != nil {
		return shown, f, err
	}

	f.Created.To, err = timeOf(shown.To)

	return shown, f, err
}

func timeOf(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}

	for _, layout := range []string{minute, time.RFC3339, time.DateTime, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil && at.Unix() > 0 {
			return at, nil
		}
	}

	return time.Time{}, order.Errorf(order.Invalid, "%q is no time; write it as 2026-01-31T13:45, in UTC.", text)
}

var orderList = operation.List[order.Order, db.OrderPosition]{
	Name:     "console-orders",
	Position: func(o order.Order) db.OrderPosition { return db.OrderPosition{UpdatedAt: o.UpdatedAt, ID: o.ID} },
}

func (c *console) orders(r *http.Request) (view, error) {
	v := view{Template: "orders", Title: "Orders", Section: "orders", Refresh: 5}

	shown, filter, err := filterOf(r.URL.Query())
	if err != nil {
		return v, err
	}

	p := ordersPage{Statuses: order.Statuses(), Filter: shown, Filtered: shown != (orderFilter{})}

	list, next, err := orderList.Page(pageOf(r), func(after *db.OrderPosition, limit int) (list []order.Order, err error) {
		filter.After, filter.Limit = after, limit

		err = db.Snapshot(r.Context(), c.Pool, func(tx pgx.Tx) (err error) {
			list, err = db.ListOrders(r.Context(), tx, filter)

			return err
		})

		return list, err
	})
	p.Orders, p.pageLink = list, paging(r, next)
	v.Data = p

	if p.First != "" {
		v.Refresh = 0 // the reader reads on
	}

	return v, err
}

type searchPage struct {
	Text string

	lookup.Found
}

// Only tells whether the text names one order and nothing else.
func (p searchPage) only() bool {
	return len(p.Orders) == 1 && !p.Customer && !p.Product && p.Letter == nil
}

func (p searchPage) Nothing() bool {
	return len(p.Orders) == 0 && !p.Customer && !p.Product && p.Letter == nil
}

func (c *console) search(r *http.Request) (view, error) {
	text := strings.TrimSpace(r.URL.Query().Get("q"))
	v := view{Template: "search", Title: "Search", Section: "orders", Query: text}

	found, err := lookup.Search(r.Context(), c.Pool, text)
	p := searchPage{Text: text, Found: found}
	v.Data = p

	if p.only() {
		v.Redirect = "/console/orders/" + p.Orders[0].OrderID.String()
	}

	return v, err
}
