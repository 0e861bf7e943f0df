// Package customer has the operations about customers: points and messages.
package customer

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/api/access"
	"orders/api/operation"
	"orders/db"
	"orders/db/point"
	"orders/order"
	"orders/order/message"
)

type service struct{ pool *pgxpool.Pool }

// Register adds the operations.
func Register(api huma.API, pool *pgxpool.Pool) {
	s := &service{pool: pool}
	user, id := "u-1", uuid.MustParse("019b8d92-5f40-7bb3-8d6c-2c1fbd0d4a11")
	at := time.Date(2026, time.January, 5, 9, 30, 0, int(40*time.Millisecond), time.UTC)

	operation.Register(api, huma.Operation{
		OperationID: "get-points",
		Method:      http.MethodGet,
		Path:        "/users/{id}/points",
		Tags:        []string{"customers"},
		Summary:     "Read a customer's points",
		Description: "Reads the balance and its entries, the newest first. A customer without orders has no points.",
	}, operation.Contract{
		Roles: access.ToRead,
		Response: pointsPage{UserID: user, Balance: order.PointsEarned, Entries: []PointsEntry{
			{OrderID: id, Kind: "earn", Points: order.PointsEarned, At: at},
		}},
		Returns: "The balance and a page of entries",
	}, s.getPoints)

	operation.Register(api, huma.Operation{
		OperationID: "list-notifications",
		Method:      http.MethodGet,
		Path:        "/users/{id}/notifications",
		Tags:        []string{"customers"},
		Summary:     "Read a customer's messages",
		Description: "Lists the messages of the customer's inbox, the newest first.",
	}, operation.Contract{
		Roles: access.ToRead,
		Response: inboxPage{Notifications: []Notification{
			{OrderID: id, Template: order.NoticeCreated, Body: message.Inbox(order.NoticeCreated, order.English), At: at},
		}},
		Returns: "A page of messages",
	}, s.listNotifications)
}

type customerInput struct {
	operation.Page

	UserID ID `path:"id" example:"u-1" doc:"The customer"`
}

// An ID names a customer. It is a part of addresses, so it has no slash and is not a
// dot: clients and proxies would read another address.
type ID string

// Schema is the user id's.
func (ID) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		Type:               huma.TypeString,
		MinLength:          new(1),
		MaxLength:          new(128),
		Pattern:            `^[^\x00-\x1f\x7f-\x9f�./][^\x00-\x1f\x7f-\x9f�/]*$`,
		PatternDescription: "text without slashes and control characters that does not begin with a dot",
	}
}

// A PointsEntry is a change of a customer's points.
type PointsEntry struct {
	OrderID uuid.UUID                 `json:"order_id" format:"uuid"`
	Kind    operation.PointsEntryKind `json:"kind"`
	Points  int64                     `json:"points" doc:"Negative if they were taken back"`
	At      time.Time                 `json:"at"`
}

func pointsEntryOf(e point.Entry) PointsEntry {
	return PointsEntry{OrderID: e.OrderID, Kind: operation.PointsEntryKind(e.Kind), Points: e.Points, At: e.At}
}

type pointsPage struct {
	UserID  string        `json:"user_id"`
	Balance int64         `json:"balance" doc:"The sum of all entries"`
	Entries []PointsEntry `json:"entries" nullable:"false"`

	operation.NextPage
}

var pointsList = operation.List[point.Entry, db.LedgerPosition]{
	Name: "points.2",
	Position: func(e point.Entry) db.LedgerPosition {
		return db.LedgerPosition{At: e.At, OrderID: e.OrderID, Label: e.Kind}
	},
}

func (s *service) getPoints(ctx context.Context, in *customerInput) (pointsPage, error) {
	user := string(in.UserID)
	out := pointsPage{UserID: user}

	entries, next, err := pointsList.Page(in.Page, func(after *db.LedgerPosition, limit int) (entries []point.Entry, err error) {
		err = db.Snapshot(ctx, s.pool, func(tx pgx.Tx) (err error) {
			if out.Balance, err = point.Balance(ctx, tx, user); err != nil {
				return err
			}

			entries, err = point.Entries(ctx, tx, user, after, limit)

			return err
		})

		return entries, err
	})

	out.Entries, out.NextPage = operation.Each(entries, pointsEntryOf), next

	return out, err
}

// A Notification is a message in a customer's inbox.
type Notification struct {
	OrderID  uuid.UUID      `json:"order_id" format:"uuid"`
	Template order.Template `json:"template" doc:"The name of the message; an order sends each message at most once"`
	Body     string         `json:"body" doc:"The words as the customer reads them"`
	At       time.Time      `json:"at"`
}

func notificationOf(n db.Notification) Notification {
	return Notification{OrderID: n.OrderID, Template: order.Template(n.Template), Body: n.Body, At: n.At}
}

type inboxPage struct {
	Notifications []Notification `json:"notifications" nullable:"false"`

	operation.NextPage
}

var inboxList = operation.List[db.Notification, db.LedgerPosition]{
	Name: "notifications.2",
	Position: func(n db.Notification) db.LedgerPosition {
		return db.LedgerPosition{At: n.At, OrderID: n.OrderID, Label: n.Template}
	},
}

func (s *service) listNotifications(ctx context.Context, in *customerInput) (inboxPage, error) {
	inbox, next, err := inboxList.Page(in.Page, func(after *db.LedgerPosition, limit int) ([]db.Notification, error) {
		return db.Inbox(ctx, s.pool, string(in.UserID), after, limit)
	})

	return inboxPage{Notifications: operation.Each(inbox, notificationOf), NextPage: next}, err
}
