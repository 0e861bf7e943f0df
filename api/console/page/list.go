package page

import (
	"net/http"
	"strings"
	"time"

	"orders/api/operation"
	"orders/order"
)

// Size is how many rows a list shows.
const Size = 50

// Links are the addresses of other pages of a list; empty if there are none.
type Links struct {
	Next  string
	First string // if this page is another
}

// LinksOf makes the links of a list from the cursor of its next page.
func LinksOf(r *http.Request, next operation.NextPage) (l Links) {
	query := r.URL.Query()
	query.Del("done")

	if query.Has("cursor") {
		query.Del("cursor")
		l.First = r.URL.Path + "?" + query.Encode()
	}

	if next.NextCursor != "" {
		query.Set("cursor", next.NextCursor)
		l.Next = r.URL.Path + "?" + query.Encode()
	}

	return l
}

// Of is the page of a list that a request asks for.
func Of(r *http.Request) operation.Page {
	return operation.Page{Limit: Size, Cursor: r.URL.Query().Get("cursor")}
}

// Text is a field of a request without the spaces around it.
func Text(r *http.Request, name string) string { return strings.TrimSpace(r.FormValue(name)) }

// minute is how browsers send a field of type datetime-local. The fields are labelled UTC.
const minute = "2006-01-02T15:04"

// TimeOf is the time in a field; zero for an empty one.
func TimeOf(text string) (time.Time, error) {
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

// CheckPeriod refuses a period that ends before it begins; a zero time is no bound.
func CheckPeriod(from, to time.Time) error {
	if from.IsZero() || to.IsZero() || !to.Before(from) {
		return nil
	}

	return order.Errorf(order.Invalid, "The period ends before it begins; choose a later end, or leave one of them empty.")
}
