// Package event keeps the log of what other services may learn: orders that were created,
// confirmed or ended, points, and products whose stock became low.
//
// The transaction that makes an event true appends it, a row for many orders. A row's place in
// the log is its seq. Of two events of one order, the later one has the higher seq: its
// transaction waited for the order's lock before it drew the number.
//
// Numbers are drawn before transactions commit, so a row may appear below one that can be read
// already. A reader would miss it. [Horizon] therefore finds the seq up to which no transaction
// can still add a row, and reading stops there.
package event

import (
	"context"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db/pipeline"
	"orders/order"
)

// A Type says what became true.
type Type string

// The types of events.
const (
	Created        Type = "order.created"
	Confirmed      Type = "order.confirmed"
	Rejected       Type = "order.rejected"
	Cancelled      Type = "order.cancelled"
	Expired        Type = "order.expired"
	Failed         Type = "order.failed"
	PointsEarned   Type = "points.earned"
	PointsReversed Type = "points.reversed"
	StockLow       Type = "stock.low" // a trigger of table products appends it
)

// EndpointTest is sent to a webhook that an operator tests. It is in no log.
const EndpointTest Type = "endpoint.test"

// Types lists them.
func Types() []Type {
	return []Type{Created, Confirmed, Rejected, Cancelled, Expired, Failed, PointsEarned, PointsReversed, StockLow}
}

// byStatus are the types of the statuses that others learn of.
var byStatus = map[order.Status]Type{
	order.Confirmed: Confirmed,
	order.Rejected:  Rejected,
	order.Cancelled: Cancelled,
	order.Expired:   Expired,
	order.Failed:    Failed,
}

// OfStatus is the type of an order's move to a status; empty if it is no event.
func OfStatus(s order.Status) Type { return byStatus[s] }

// Status is the order's status that an event of the type tells; empty if it tells none.
func (t Type) Status() order.Status {
	for status, of := range byStatus {
		if of == t {
			return status
		}
	}

	if t == Created {
		return order.Pending
	}

	return ""
}

// perRow is how many orders share a row: 120 ids are 1.9 kB, and Postgres moves values out of
// rows above 2 kB.
const perRow = 120

// Append appends an event of the type for each of the orders. The transaction has locked or
// written these orders before.
func Append(ctx context.Context, tx pgx.Tx, t Type, ids []uuid.UUID) error {
	if len(ids) == 0 {
		return nil
	}

	return pipeline.Exec(ctx, tx, "append events", `
		WITH changed AS (
			SELECT order_id
			FROM unnest($1::uuid[]) AS o (order_id)
		)
		`+Insert("changed", t), ids)
}

// Insert is a statement that appends an event of the type for each order_id of a query that a
// WITH names. It can be in a WITH itself.
//
// It makes sure that the transaction has an id before it draws a seq: [Horizon] relies on that.
func Insert(from string, t Type) string {
	return `INSERT INTO events (type, order_ids)
		SELECT '` + string(t) + `', array_agg(order_id ORDER BY order_id)
		FROM (
			SELECT order_id, (row_number() OVER (ORDER BY order_id) - 1) / ` + strconv.Itoa(perRow) + ` AS part
			FROM ` + from + `
			WHERE pg_current_xact_id() IS NOT NULL
		) AS parts
		GROUP BY part`
}
