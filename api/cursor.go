package api

import (
	"encoding/base64"
	"encoding/json"

	"orders/order"
)

// A list names one whose cursors are its own. The number goes up when what a
// cursor holds changes, so that one from before is refused and not misread.
type list string

const (
	orderList        list = "orders.1"
	productList      list = "products.1"
	pointsList       list = "points.1"
	notificationList list = "notifications.1"
	deadLetterList   list = "dead-letters.1"
	findingList      list = "findings.1"
)

// A cursor is the position behind the last row of a page: opaque to clients,
// and good for as long as the list exists, whatever is added meanwhile.
type cursor[P any] struct {
	List  list `json:"list"`
	After P    `json:"after"`
}

// readCursor reads a cursor of the list; nil for none, which is the first page.
func readCursor[P any](of list, text string) (*P, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // no position is a position
	}

	var c cursor[P]

	data, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err == nil {
		err = json.Unmarshal(data, &c)
	}

	if err != nil || c.List != of {
		return nil, order.Errorf(badCursor, "%s", kinds[badCursor].detail)
	}

	return &c.After, nil
}

// A Page is asked for by every list.
type Page struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"The most to return"`
	Cursor string `query:"cursor" maxLength:"512" doc:"next_cursor of the page before; none for the first page"`
}

// cut takes back the one row that was read beyond the limit and, if there is
// one, makes the cursor behind the last row that stays.
func cut[T, P any](rows []T, page Page, of list, position func(T) P) ([]T, string, error) {
	if len(rows) <= page.Limit {
		return rows, "", nil
	}

	rows = rows[:page.Limit]

	data, err := json.Marshal(cursor[P]{List: of, After: position(rows[page.Limit-1])})
	if err != nil {
		return nil, "", err
	}

	return rows, base64.RawURLEncoding.EncodeToString(data), nil
}
