package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/order"
)

func (s *service) registerCustomers() {
	o := exampleOrder()

	register(s, huma.Operation{
		OperationID: "get-points",
		Method:      http.MethodGet,
		Path:        "/users/{id}/points",
		Tags:        []string{"customers"},
		Summary:     "Read a customer's points",
		Description: "The balance and the entries it is the sum of, the newest first. A customer without orders has none.",
	}, contract{
		response: pointsPage{UserID: o.UserID, Balance: order.PointsEarned, Entries: []db.PointsEntry{
			{OrderID: o.ID, Kind: "earn", Points: order.PointsEarned, At: o.UpdatedAt},
		}},
		answer:   "The balance and a page of entries",
		refusals: []order.Code{badCursor, order.Unavailable},
	}, s.getPoints)

	register(s, huma.Operation{
		OperationID: "list-notifications",
		Method:      http.MethodGet,
		Path:        "/users/{id}/notifications",
		Tags:        []string{"customers"},
		Summary:     "Read a customer's messages",
		Description: "The customer's inbox, the newest first.",
	}, contract{
		response: inboxPage{Notifications: []db.Notification{
			{OrderID: o.ID, Template: string(order.NoticeCreated), Body: order.NoticeCreated.Text(), At: o.UpdatedAt},
		}},
		answer:   "A page of messages",
		refusals: []order.Code{badCursor, order.Unavailable},
	}, s.listNotifications)
}

type customerInput struct {
	Page

	UserID string `path:"id" maxLength:"128" pattern:"^[^\\x00-\\x1f\\x7f-\\x9f�]*$" patternDescription:"text without control characters" example:"u-1" doc:"The customer"`
}

type pointsPage struct {
	UserID     string           `json:"user_id"`
	Balance    int64            `json:"balance" doc:"Sum of all entries"`
	Entries    []db.PointsEntry `json:"entries" nullable:"false"`
	NextCursor string           `json:"next_cursor" doc:"The cursor of the next page; empty when there is none"`
}

func (s *service) getPoints(ctx context.Context, in *customerInput) (*answer[pointsPage], error) {
	after, err := readCursor[db.LedgerPosition](pointsList, in.Cursor)
	if err != nil {
		return nil, err
	}

	var (
		balance int64
		entries []db.PointsEntry
	)

	err = db.Snapshot(ctx, s.Pool, func(tx pgx.Tx) (err error) {
		if balance, err = db.Balance(ctx, tx, in.UserID); err != nil {
			return err
		}

		entries, err = db.PointsEntries(ctx, tx, in.UserID, after, in.Limit+1)

		return err
	})
	if err != nil {
		return nil, err
	}

	entries, next, err := cut(entries, in.Page, pointsList, func(e db.PointsEntry) db.LedgerPosition {
		return db.LedgerPosition{At: e.At, OrderID: e.OrderID, Label: e.Kind}
	})

	return &answer[pointsPage]{Body: pointsPage{UserID: in.UserID, Balance: balance, Entries: entries, NextCursor: next}}, err
}

type inboxPage struct {
	Notifications []db.Notification `json:"notifications" nullable:"false"`
	NextCursor    string            `json:"next_cursor" doc:"The cursor of the next page; empty when there is none"`
}

func (s *service) listNotifications(ctx context.Context, in *customerInput) (*answer[inboxPage], error) {
	after, err := readCursor[db.LedgerPosition](notificationList, in.Cursor)
	if err != nil {
		return nil, err
	}

	inbox, err := db.Inbox(ctx, s.Pool, in.UserID, after, in.Limit+1)
	if err != nil {
		return nil, err
	}

	inbox, next, err := cut(inbox, in.Page, notificationList, func(n db.Notification) db.LedgerPosition {
		return db.LedgerPosition{At: n.At, OrderID: n.OrderID, Label: n.Template}
	})

	return &answer[inboxPage]{Body: inboxPage{Notifications: inbox, NextCursor: next}}, err
}
