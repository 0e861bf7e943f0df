package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5"

	"orders/api/access"
	"orders/api/operation"
	"orders/db"
	"orders/order"
)

func (s *service) registerOrderList() {
	operation.Register(s.api, huma.Operation{
		OperationID: "list-orders",
		Method:      http.MethodGet,
		Path:        "/orders",
		Tags:        []string{"orders"},
		Summary:     "List orders",
		Description: "Lists orders with their lines and steps. An order must match all filters that are sent. The newest order is first, " +
			"unless `updated_from` or `updated_to` is sent: then the earliest update is first.\n\n" +
			"To follow all changes, send `updated_from` and read all pages. Then begin again with the largest `updated_at` that you " +
			"have seen, minus one minute: a transaction that began earlier may have been committed since. Skip an order that you have " +
			"with the same `updated_at`. An order that changes while you read moves to a later page, so none is missed.",
	}, operation.Contract{
		Roles:    access.ToRead,
		Response: orderPage{Orders: []Order{exampleOrder()}},
		Returns:  "A page of orders",
	}, s.listOrders)
}

type listOrdersInput struct {
	operation.Page
	operation.Period // of the time of placing, as created_from and created_to

	UserID      operation.Text `query:"user_id" minLength:"1" maxLength:"128" doc:"Only orders of this customer"`
	Status      []order.Status `query:"status" nullable:"false" minItems:"1" maxItems:"10" doc:"Only orders with one of these statuses, separated by commas"`
	Reference   operation.Text `query:"reference" minLength:"1" maxLength:"128" doc:"Only orders with this reference. Two clients may use one: a token with only the role client finds its own order."`
	SKU         sku            `query:"sku" doc:"Only orders with a line of this product"`
	CreatedFrom time.Time      `query:"created_from" doc:"Only orders that were placed at this time or later"`
	CreatedTo   time.Time      `query:"created_to" doc:"Only orders that were placed before this time"`
	UpdatedFrom time.Time      `query:"updated_from" doc:"Only orders whose status last changed at this time or later"`
	UpdatedTo   time.Time      `query:"updated_to" doc:"Only orders whose status last changed before this time"`
}

// Resolve refuses times before there were orders, and periods that have no moment. The zero
// time, which stands for no bound, is among those times.
func (in *listOrdersInput) Resolve(ctx huma.Context) []error {
	var errs []error

	expect := func(ok bool, name, expected string) {
		if !ok {
			errs = append(errs, &huma.ErrorDetail{Location: "query." + name, Message: "expected a time " + expected})
		}
	}

	f := in.filter()

	for name, p := range map[string]db.Period{"created": f.Created, "updated": f.Updated} {
		from, to := name+"_from", name+"_to"
		expect(!before1970(ctx.Query(from)), from, "since 1970")
		expect(!before1970(ctx.Query(to)), to, "since 1970")
		expect(p.From.IsZero() || p.To.IsZero() || p.From.Before(p.To), to, "after "+from)
	}

	return append(errs, in.Page.Resolve(ctx)...)
}

func before1970(text string) bool {
	at, err := time.Parse(time.RFC3339, text)

	return err == nil && at.Unix() < 0
}

func (in *listOrdersInput) filter() db.OrderFilter {
	return db.OrderFilter{
		UserID:    string(in.UserID),
		Statuses:  in.Status,
		Reference: string(in.Reference),
		SKU:       string(in.SKU),
		Created:   db.Period{From: in.CreatedFrom, To: in.CreatedTo},
		Updated:   db.Period{From: in.UpdatedFrom, To: in.UpdatedTo},
	}
}

// narrow applies since and until to a filter, which may have created_from and created_to: all of them hold.
func (in *listOrdersInput) narrow(f *db.OrderFilter, now time.Time) error {
	since, until, err := in.Moments()
	if err != nil {
		return err //nolint:wrapcheck // a refusal
	}

	if from := since.Time(now); from.After(f.Created.From) {
		f.Created.From = from
	}

	if to := until.Time(now); !to.IsZero() && (f.Created.To.IsZero() || to.Before(f.Created.To)) {
		f.Created.To = to
	}

	return nil
}

type orderPage struct {
	Orders []Order `json:"orders" nullable:"false"`

	operation.NextPage
}

var orderList = operation.List[order.Order, db.OrderPosition]{
	Name:     "orders.2",
	Position: func(o order.Order) db.OrderPosition { return db.OrderPosition{UpdatedAt: o.UpdatedAt, ID: o.ID} },
}

func (s *service) listOrders(ctx context.Context, in *listOrdersInput) (orderPage, error) {
	filter := in.filter()
	if err := in.narrow(&filter, s.Clock.Now()); err != nil {
		return orderPage{}, err
	}

	if p := access.Of(ctx); !p.May(access.ToWatch) { // a client means its own reference
		filter.Client = &p.Name
	}

	orders, next, err := orderList.Page(in.Page, func(after *db.OrderPosition, limit int) (orders []order.Order, err error) {
		filter.After, filter.Limit = after, limit

		err = db.Snapshot(ctx, s.Pool, func(tx pgx.Tx) (err error) {
			orders, err = db.ListOrders(ctx, tx, filter)

			return err
		})

		return orders, err
	})

	return orderPage{Orders: operation.Each(orders, OrderOf), NextPage: next}, err
}
