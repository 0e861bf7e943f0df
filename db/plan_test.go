package db_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/action"
	"orders/db/catalogue"
	"orders/db/dbtest"
	"orders/db/deadletter"
	"orders/db/delivery"
	"orders/db/event"
	"orders/db/idempotency"
	"orders/db/lookup"
	"orders/db/payment"
	"orders/db/point"
	"orders/db/progress"
	"orders/db/timeline"
	"orders/db/watermark"
	"orders/jobs"
	"orders/order"
)

// No query of the API or of a step may read a table that grows from end to end.
func TestNoQueryScansATableThatGrows(t *testing.T) {
	t.Parallel()

	pool := dbtest.Pool(t)
	ids := dbtest.Grow(t, pool, 20_000)
	rules := deadletter.Rules{RedriveAfter: []time.Duration{time.Minute}, FailOrder: []string{"inventory"}}
	before := db.LedgerPosition{At: time.Now(), OrderID: ids[0], Label: "x"}

	orders := []order.Order{{ID: uuid.Must(uuid.NewV7()), UserID: "u-1", Status: order.Pending, Currency: "EUR", Lines: []order.Line{{SKU: "sku-1", Quantity: 1}}}}

	t.Run("list orders by each combination of filters", func(t *testing.T) {
		t.Parallel()

		for name, filter := range filterCombinations(ids[9]) {
			for _, plan := range dbtest.Explain(t, pool, func(ctx context.Context, tx pgx.Tx) error { return dbtest.Err(db.ListOrders(ctx, tx, filter)) }) {
				if dbtest.ScansGrowingTable(plan) {
					t.Errorf("%s: %s", name, plan)
				}
			}
		}
	})

	for name, do := range map[string]func(ctx context.Context, tx pgx.Tx) error{
		"read an order": func(ctx context.Context, tx pgx.Tx) error { return dbtest.Err(db.Order(ctx, tx, ids[0])) },
		"list orders": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(db.ListOrders(ctx, tx, db.OrderFilter{Limit: 50}))
		},
		"list orders, next page": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(db.ListOrders(ctx, tx, db.OrderFilter{After: &db.OrderPosition{ID: ids[9]}, Limit: 50}))
		},
		"list a user's orders": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(db.ListOrders(ctx, tx, db.OrderFilter{UserID: "u-7", Limit: 50}))
		},
		"list rejected orders": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(db.ListOrders(ctx, tx, db.OrderFilter{Statuses: []order.Status{order.Rejected}, Limit: 50}))
		},
		"list pending orders, of which there are none": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(db.ListOrders(ctx, tx, db.OrderFilter{Statuses: []order.Status{order.Pending}, Limit: 50}))
		},
		"list confirmed orders": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(db.ListOrders(ctx, tx, db.OrderFilter{Statuses: []order.Status{order.Confirmed}, Limit: 50}))
		},
		"list products": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(catalogue.List(ctx, tx, catalogue.Active, "sku-2", 50))
		},
		"list archived products": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(catalogue.List(ctx, tx, catalogue.Archived, "", 50))
		},
		"list products that are low": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(catalogue.Low(ctx, tx, catalogue.Active, "", 50))
		},
		"list all products": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(catalogue.List(ctx, tx, catalogue.All, "sku-2", 50))
		},
		"archive a product": func(ctx context.Context, tx pgx.Tx) error {
			_, _, err := catalogue.Archive(ctx, tx, "sku-2", true)

			return err
		},
		"read a product": func(ctx context.Context, tx pgx.Tx) error { return dbtest.Err(catalogue.Product(ctx, tx, "sku-2")) },
		"put a product": func(ctx context.Context, tx pgx.Tx) error {
			return catalogue.Add(ctx, tx, order.Product{SKU: "sku-2", Currency: "EUR"}, "new")
		},
		"book a receipt": func(ctx context.Context, tx pgx.Tx) error {
			_, _, err := catalogue.Book(ctx, tx, catalogue.Receipt{Client: "shop", SKU: "sku-2", Reference: "new", Quantity: 1})

			return err
		},
		"book a receipt again": func(ctx context.Context, tx pgx.Tx) error {
			_, _, err := catalogue.Book(ctx, tx, catalogue.Receipt{SKU: "sku-2", Reference: "r-1", Quantity: 1})

			return err
		},
		"list receipts": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(catalogue.Receipts(ctx, tx, "sku-2", nil, 50))
		},
		"list receipts, next page": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(catalogue.Receipts(ctx, tx, "sku-2", &catalogue.Position{At: before.At, Reference: "r-1"}, 50))
		},
		"list actions": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(action.List(ctx, tx, action.Filter{}, &action.Position{At: before.At, ID: 1}, 50))
		},
		"list an actor's actions": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(action.List(ctx, tx, action.Filter{
				Actor: "a-7", Since: order.Moment{At: before.At.Add(-time.Hour)}, Until: order.Moment{At: before.At},
			}, nil, 50))
		},
		"list the actions of a name": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(action.List(ctx, tx, action.Filter{Action: "x-7"}, nil, 50))
		},
		"list the actions on a target": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(action.List(ctx, tx, action.Filter{TargetKind: action.DeadLetter, TargetID: "7"}, nil, 50))
		},
		"list the actions on an order": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(action.List(ctx, tx, action.Filter{OrderID: ids[0]}, nil, 50))
		},
		"find the orders of jobs": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(action.OrdersOf(ctx, tx, []int64{1, 2}))
		},
		"read events": func(ctx context.Context, tx pgx.Tx) error {
			_, _, err := event.Read(ctx, tx, event.Position{Seq: 100}, 19_000, []event.Type{event.Failed}, 50)

			return err
		},
		"prune events": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(event.Prune(ctx, tx, time.Hour, 100))
		},
		"list endpoints": func(ctx context.Context, tx pgx.Tx) error { return dbtest.Err(delivery.List(ctx, tx)) },
		"read what is due again": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(delivery.DueAgain(ctx, tx, uuid.New(), 100))
		},
		"bring deliveries forward": func(ctx context.Context, tx pgx.Tx) error {
			return delivery.BringForward(ctx, tx, uuid.New(), 5)
		},
		"list deliveries": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(delivery.Deliveries(ctx, tx, delivery.Filter{}, 19_000, 50))
		},
		"list an order's deliveries": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(delivery.Deliveries(ctx, tx, delivery.Filter{OrderID: ids[0]}, 0, 50))
		},
		"list deliveries that were given up": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(delivery.Deliveries(ctx, tx, delivery.Filter{State: delivery.Failed}, 0, 50))
		},
		"list deliveries that wait": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(delivery.Deliveries(ctx, tx, delivery.Filter{State: delivery.Waiting, EndpointID: uuid.New()}, 19_000, 50))
		},
		"read the health of endpoints": func(ctx context.Context, tx pgx.Tx) error { return dbtest.Err(delivery.Healths(ctx, tx)) },
		"wake an endpoint's job": func(ctx context.Context, tx pgx.Tx) error {
			return delivery.Wake(ctx, tx, uuid.New(), jobs.DeliverWebhook{}.Kind())
		},
		"prune deliveries": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(delivery.Prune(ctx, tx, time.Hour, 100))
		},
		"read a balance": func(ctx context.Context, tx pgx.Tx) error { return dbtest.Err(point.Balance(ctx, tx, "u-7")) },
		"list points": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(point.Entries(ctx, tx, "u-7", nil, 50))
		},
		"list points, next page": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(point.Entries(ctx, tx, "u-7", &before, 50))
		},
		"read an inbox": func(ctx context.Context, tx pgx.Tx) error { return dbtest.Err(db.Inbox(ctx, tx, "u-7", nil, 50)) },
		"read an inbox, next page": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(db.Inbox(ctx, tx, "u-7", &before, 50))
		},
		"read prices": func(ctx context.Context, tx pgx.Tx) error {
			_, _, err := db.Catalogue(ctx, tx, []string{"sku-1", "sku-2"})

			return err
		},
		"insert orders": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(db.InsertOrders(ctx, tx, []db.NewOrder{
				{Order: orders[0], Client: "shop", Scope: idempotency.Shared, Key: "new", RequestHash: []byte{}},
			}))
		},
		"find references": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(db.FindReferences(ctx, tx, []db.Reference{{Client: "shop", Name: "web-7"}, {Name: "web-8"}}))
		},
		"do a request once for its key": func(ctx context.Context, tx pgx.Tx) error {
			for _, r := range []idempotency.Request{{Client: "shop", Key: "once", Hash: []byte{1}}, {Client: "mall", Key: "once", Hash: []byte{1}}} {
				for range 2 {
					if _, _, err := idempotency.Do(ctx, tx, r, func() (int, error) { return 1, nil }); err != nil {
						return err
					}
				}
			}

			return idempotency.Free(ctx, tx, []idempotency.ID{{Client: "mall", Key: "once"}})
		},
		"lock orders and stock": func(ctx context.Context, tx pgx.Tx) error {
			_, _, err := db.LockUnreserved(ctx, tx, ids)

			return err
		},
		"deduct stock": func(ctx context.Context, tx pgx.Tx) error { return db.Deduct(ctx, tx, orders) },
		"pay": func(ctx context.Context, tx pgx.Tx) error {
			paid := order.Payment{Client: "shop", Reference: ids[1].String()}

			return dbtest.Err(payment.Write(ctx, tx, []payment.Payment{{OrderID: uuid.New(), Payment: paid}, {OrderID: ids[0], Payment: paid}}))
		},
		"record refused payments": func(ctx context.Context, tx pgx.Tx) error {
			refused := payment.Payment{OrderID: ids[0], Payment: order.Payment{Client: "shop", Reference: "new"}}
			if err := payment.RecordRefused(ctx, tx, []payment.Payment{refused}); err != nil {
				return err
			}

			return payment.ForgetRefused(ctx, tx, []payment.Reference{payment.ReferenceOf(refused.Payment)})
		},
		"read payments": func(ctx context.Context, tx pgx.Tx) error { return dbtest.Err(payment.Of(ctx, tx, ids)) },
		"set status": func(ctx context.Context, tx pgx.Tx) error {
			return db.SetStatus(ctx, tx, []db.Move{{OrderID: ids[0], To: order.Confirmed}})
		},
		"earn points":      func(ctx context.Context, tx pgx.Tx) error { return dbtest.Err(point.Earn(ctx, tx, ids, 10)) },
		"take back points": func(ctx context.Context, tx pgx.Tx) error { return point.TakeBack(ctx, tx, ids) },
		"notify": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(db.Notify(ctx, tx, []db.Notice{{OrderID: ids[0], Template: order.NoticeRejected}}))
		},
		"read a timeline":  func(ctx context.Context, tx pgx.Tx) error { return dbtest.Err(timeline.Read(ctx, tx, ids[0], 1_000)) },
		"explain an order": func(ctx context.Context, tx pgx.Tx) error { return dbtest.Err(progress.ReadFacts(ctx, tx, ids[0])) },
		"lock overdue orders": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(db.LockOverdue(ctx, tx, 15*time.Minute, time.Minute, 100))
		},
		"lock letters to redrive": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(deadletter.LockDue(ctx, tx, deadletter.ToRedrive, rules, 100))
		},
		"lock letters to fail": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(deadletter.LockDue(ctx, tx, deadletter.ToFail, rules, 100))
		},
		"scan orders for open steps": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(scanForOpenSteps(ctx, tx, watermark.Range{Before: time.Now(), Limit: 100}))
		},
		"look work up": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(progress.Statuses(ctx, tx, []progress.Work{{Kind: "points", OrderID: ids[0]}, {Kind: "notification", OrderID: ids[1], Template: "created"}}))
		},
		"search by what may name an order": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(lookup.Search(ctx, tx, "4711"))
		},
		"search an order": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(lookup.Search(ctx, tx, ids[0].String()))
		},
		"read an order's jobs": func(ctx context.Context, tx pgx.Tx) error { return dbtest.Err(lookup.Jobs(ctx, tx, ids[0])) },
		"count orders of dead letters": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(deadletter.Impacts(ctx, tx))
		},
		"count dead letters by hour": func(ctx context.Context, tx pgx.Tx) error { return dbtest.Err(deadletter.Trends(ctx, tx)) },
		"list customers of dead letters": func(ctx context.Context, tx pgx.Tx) error {
			return dbtest.Err(deadletter.Customers(ctx, tx, deadletter.Cause{Kind: "points", Signature: "x"}, 50))
		},
		"read a redrive": func(ctx context.Context, tx pgx.Tx) error {
			if _, err := deadletter.ReadOperation(ctx, tx, ids[0]); order.CodeOf(err) != order.NotFound {
				return err
			}

			return nil
		},
		"find missing orders": func(ctx context.Context, tx pgx.Tx) error { return dbtest.Err(db.Missing(ctx, tx, ids)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			for _, plan := range dbtest.Explain(t, pool, do) {
				byOrder := strings.Contains(plan, "FROM live_jobs") || strings.Contains(plan, "JOIN live_jobs")

				if dbtest.ScansGrowingTable(plan) || byOrder && !strings.Contains(plan, "Index Scan using river_job_unique_idx") {
					t.Error(plan)
				}
			}
		})
	}
}

// filterCombinations are all combinations of the filters of a list of orders, by name.
func filterCombinations(after uuid.UUID) map[string]db.OrderFilter {
	hour := db.Period{From: time.Now().Add(-time.Hour), To: time.Now()}
	combinations := map[string]db.OrderFilter{"": {Limit: 50}}

	for name, set := range map[string]func(*db.OrderFilter){
		"reference":             func(f *db.OrderFilter) { f.Reference = "web-7" },
		"reference of a client": func(f *db.OrderFilter) { f.Reference, f.Client = "web-7", new("shop") },
		"user":                  func(f *db.OrderFilter) { f.UserID = "u-7" },
		"sku":                   func(f *db.OrderFilter) { f.SKU = "sku-1" },
		"created":               func(f *db.OrderFilter) { f.Created = hour },
		"updated":               func(f *db.OrderFilter) { f.Updated = hour },
		"after":                 func(f *db.OrderFilter) { f.After = &db.OrderPosition{UpdatedAt: hour.From, ID: after} },
	} {
		for before, f := range maps.Clone(combinations) {
			set(&f)
			combinations[before+" "+name] = f
		}
	}

	for before, f := range maps.Clone(combinations) {
		for _, statuses := range [][]order.Status{{order.Rejected}, {order.Confirmed}, {order.Pending, order.Confirmed, order.Failed}} {
			f.Statuses = statuses
			combinations[fmt.Sprint(before, " ", statuses)] = f
		}
	}

	return combinations
}

// scanForOpenSteps looks at the next orders of a scan.
func scanForOpenSteps(ctx context.Context, tx pgx.Tx, r watermark.Range) ([]progress.OpenStep, error) {
	mark, _, err := watermark.Lock(ctx, tx, "test", true)
	if err != nil {
		return nil, err
	}

	ids, err := mark.Orders(ctx, tx, r)
	if err != nil {
		return nil, err
	}

	mark.OrderID = ids[len(ids)-1]
	if err := mark.Move(ctx, tx); err != nil {
		return nil, err
	}

	return progress.OpenSteps(ctx, tx, ids)
}
