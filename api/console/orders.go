package console

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"orders/api/console/page"
	"orders/api/operation"
	"orders/db"
	"orders/db/lookup"
	"orders/order"
)

type ordersPage struct {
	page.Links

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
	if f.Created.From, err = page.TimeOf(shown.From); err != nil {
		return shown, f, err
	}

	if f.Created.To, err = page.TimeOf(shown.To); err != nil {
		return shown, f, err
	}

	return shown, f, page.CheckPeriod(f.Created.From, f.Created.To)
}

var orderList = operation.List[order.Order, db.OrderPosition]{
	Name:     "console-orders",
	Position: func(o order.Order) db.OrderPosition { return db.OrderPosition{UpdatedAt: o.UpdatedAt, ID: o.ID} },
}

func (c *console) orders(r *http.Request) (page.View, error) {
	v := page.View{Template: "orders", Title: "Orders", Section: "orders", Refresh: 5}

	shown, filter, err := filterOf(r.URL.Query())
	if err != nil {
		return v, err
	}

	p := ordersPage{Statuses: order.Statuses(), Filter: shown, Filtered: shown != (orderFilter{})}

	list, next, err := orderList.Page(page.Of(r), func(after *db.OrderPosition, limit int) (list []order.Order, err error) {
		filter.After, filter.Limit = after, limit

		err = db.Snapshot(r.Context(), c.Pool, func(tx pgx.Tx) (err error) {
			list, err = db.ListOrders(r.Context(), tx, filter)

			return err
		})

		return list, err
	})
	p.Orders, p.Links = list, page.LinksOf(r, next)
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

func (c *console) search(r *http.Request) (page.View, error) {
	text := page.Text(r, "q")
	v := page.View{Template: "search", Title: "Search", Section: "orders", Query: text}

	found, err := lookup.Search(r.Context(), c.Pool, text)
	p := searchPage{Text: text, Found: found}
	v.Data = p

	if p.only() {
		v.Redirect = "/console/orders/" + p.Orders[0].OrderID.String()
	}

	return v, err
}
