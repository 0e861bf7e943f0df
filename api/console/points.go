package console

import (
	"net/http"

	"github.com/jackc/pgx/v5"

	"orders/api/console/page"
	"orders/api/operation"
	"orders/db"
	"orders/db/point"
)

type pointsPage struct {
	page.Links

	UserID   string
	Balance  int64
	Entries  []point.Entry
	Messages []db.Notification
}

var pointsList = operation.List[point.Entry, db.LedgerPosition]{
	Name: "console-points",
	Position: func(e point.Entry) db.LedgerPosition {
		return db.LedgerPosition{At: e.At, OrderID: e.OrderID, Label: e.Kind}
	},
}

// maxMessages bounds the messages of a customer's page: the newest.
const maxMessages = 10

func (c *console) points(r *http.Request) (page.View, error) {
	ctx := r.Context()
	p := pointsPage{UserID: page.Text(r, "user_id")}
	v := page.View{Template: "points", Title: "Points", Section: "points"}

	if p.UserID == "" {
		v.Data = p

		return v, nil
	}

	entries, next, err := pointsList.Page(page.Of(r), func(after *db.LedgerPosition, limit int) (entries []point.Entry, err error) {
		err = db.Snapshot(ctx, c.Pool, func(tx pgx.Tx) (err error) {
			if p.Balance, err = point.Balance(ctx, tx, p.UserID); err != nil {
				return err
			}

			if p.Messages, err = db.Inbox(ctx, tx, p.UserID, nil, maxMessages); err != nil {
				return err
			}

			entries, err = point.Entries(ctx, tx, p.UserID, after, limit)

			return err
		})

		return entries, err
	})
	p.Entries, p.Links = entries, page.LinksOf(r, next)
	v.Data = p

	return v, err
}
