package db

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"orders/order"
)

// An OrderFilter narrows a list of orders; a zero field does not.
type OrderFilter struct {
	UserID    string
	Statuses  []order.Status // any of them
	Reference string
	Client    *string // whose order the reference is; nil for any client
	SKU       string  // of one of the lines
	Created   Period
	Updated   Period         // if it is set, the list begins with the earliest update, and not with the newest order
	After     *OrderPosition // where the page before ended
	Limit     int
}

// A Period is the time from a moment on until before another; a zero moment is no bound.
type Period struct{ From, To time.Time }

// An OrderPosition is what lists of orders are sorted by.
type OrderPosition struct {
	UpdatedAt time.Time // which only lists by update use
	ID        uuid.UUID
}

// idSkew bounds how far the time in an order's id is from created_at. The id is made when the
// request arrives, and created_at is when its transaction begins: within the 15 s of a request.
const idSkew = time.Minute

// ListOrders lists orders with lines and steps: by update, the earliest first, if the filter
// has a period of updates; otherwise the newest order first.
func ListOrders(ctx context.Context, q Querier, f OrderFilter) ([]order.Order, error) {
	l := listing{}
	limit := l.arg(f.Limit)

	if f.Updated != (Period{}) {
		return readOrders(ctx, q, l.byUpdate(f, limit), l.args...)
	}

	l.narrow(f, l.ids(f))

	if f.UserID == "" && f.SKU == "" && f.Reference == "" && len(f.Statuses) > 0 {
		return readOrders(ctx, q, l.byStatus(f, limit), l.args...)
	}

	l.withStatus(f.Statuses)

	return readOrders(ctx, q, cmp.Or(strings.Join(l.conditions, " AND "), "true")+" ORDER BY id DESC LIMIT "+limit, l.args...)
}

// A listing is the condition of a list as it grows.
type listing struct {
	conditions []string
	args       []any
}

// arg adds an argument and returns its placeholder.
func (l *listing) arg(value any) string {
	l.args = append(l.args, value)

	return "$" + strconv.Itoa(len(l.args))
}

func (l *listing) where(condition string) { l.conditions = append(l.conditions, condition) }

func (l *listing) withStatus(statuses []order.Status) {
	if len(statuses) > 0 {
		l.where("status = ANY(" + l.arg(statuses) + ")")
	}
}

// ids are the bounds of the orders' ids. Orders are found by the time of placing through
// their ids.
func (l *listing) ids(f OrderFilter) (bounds []string) {
	if from := f.Created.From; !from.IsZero() {
		l.where("created_at >= " + l.arg(from))
		bounds = append(bounds, l.idsFrom(from))
	}

	if to := f.Created.To; !to.IsZero() {
		l.where("created_at < " + l.arg(to))
		bounds = append(bounds, "< uuid_at("+l.arg(ofIDs(to.Add(idSkew)))+")")
	}

	if f.After != nil && f.Updated == (Period{}) {
		bounds = append(bounds, "< "+l.arg(f.After.ID))
	}

	return bounds
}

// idsFrom is the bound of the ids of orders that were placed at a time or later.
func (l *listing) idsFrom(from time.Time) string {
	return ">= uuid_at(" + l.arg(ofIDs(from.Add(-idSkew))) + ")"
}

// ofIDs is the time, or the nearest one that an id can have.
func ofIDs(at time.Time) time.Time {
	if epoch := time.Unix(0, 0); at.Before(epoch) {
		return epoch
	}

	return at
}

// narrow adds the conditions that all lists have. The bounds of ids narrow the lines, too:
// Postgres does not see that they must.
func (l *listing) narrow(f OrderFilter, ids []string) {
	if f.Reference != "" {
		whose := "ANY(ARRAY(" + clientsOfReferences + "))"
		if f.Client != nil {
			whose = l.arg(*f.Client)
		}

		l.where("client = " + whose + " AND reference = " + l.arg(f.Reference))
	}

	if f.UserID != "" {
		l.where("user_id = " + l.arg(f.UserID))
	}

	for _, bound := range ids {
		l.where("id " + bound)
	}

	if f.SKU != "" {
		lines := append(make([]string, 0, 1+len(ids)), "sku = "+l.arg(f.SKU))
		for _, bound := range ids {
			lines = append(lines, "order_id "+bound)
		}

		l.where("id IN (SELECT order_id FROM order_lines WHERE " + strings.Join(lines, " AND ") + ")")
	}
}

// byStatus reads the newest orders of each status from its own place in the index. One scan
// for all statuses would read all their orders to sort them.
func (l *listing) byStatus(f OrderFilter, limit string) string {
	branches := make([]string, 0, len(f.Statuses))

	for _, status := range slices.Compact(slices.Sorted(slices.Values(f.Statuses))) {
		condition := "status = " + l.arg(status)
		if status != order.Confirmed {
			condition += " AND status <> 'confirmed'" // lets a generic plan use the partial index
		}

		branches = append(branches, condition)
	}

	return l.union(branches, "id DESC", limit)
}

// byUpdate reads the earliest updates. A pending order was not updated since it was placed: it
// is found through its id, and so is not in the index of updates.
func (l *listing) byUpdate(f OrderFilter, limit string) string {
	from := f.Updated.From

	if !from.IsZero() {
		l.where("updated_at >= " + l.arg(from))
	}

	if to := f.Updated.To; !to.IsZero() {
		l.where("updated_at < " + l.arg(to))
	}

	if f.After != nil {
		from = f.After.UpdatedAt
		l.where("(updated_at, id) > (" + l.arg(from) + ", " + l.arg(f.After.ID) + ")")
	}

	l.narrow(f, l.ids(f))
	l.withStatus(f.Statuses)

	return l.union([]string{"status <> 'pending'", "status = 'pending' AND id " + l.idsFrom(from)}, "updated_at, id", limit)
}

// union is the condition of the first orders of several branches, each of which is read up to
// the limit.
func (l *listing) union(branches []string, sort, limit string) string {
	lists := make([]string, len(branches))

	for i, branch := range branches {
		lists[i] = "(SELECT id, updated_at FROM orders WHERE " + strings.Join(append(slices.Clone(l.conditions), branch), " AND ") +
			" ORDER BY " + sort + " LIMIT " + limit + ")"
	}

	return "id = ANY(ARRAY(SELECT id FROM (" + strings.Join(lists, " UNION ALL ") + ") AS listed ORDER BY " + sort + " LIMIT " + limit +
		")) ORDER BY " + sort
}
