package operation

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"

	"github.com/danielgtaylor/huma/v2"
	strict "github.com/go-json-experiment/json"

	"orders/api/problem"
	"orders/order"
)

// A Page is the input of every list: embed it. Exported, as huma skips embedded structs
// that are not.
type Page struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"The largest number of items to return"`
	Cursor string `query:"cursor" maxLength:"512" doc:"next_cursor of the previous page, with the same filters; empty for the first page"`

	filters string // a digest of what the list is of: a cursor is good for that only
}

// Resolve notes what the list is of: the path and all parameters but those of the page.
func (p *Page) Resolve(ctx huma.Context) []error {
	u := ctx.URL()
	query := u.Query()
	query.Del("limit")
	query.Del("cursor")

	digest := sha256.Sum256([]byte(u.EscapedPath() + "?" + query.Encode()))
	p.filters = base64.RawURLEncoding.EncodeToString(digest[:digestLength])

	return nil
}

// digestLength is how much of a digest is kept: cursors protect clients from mistakes only.
const digestLength = 9

// A NextPage ends the response of every list: embed it.
type NextPage struct {
	NextCursor string `json:"next_cursor" doc:"The cursor of the next page; empty when there is none"`
}

// A List is what is read in pages of rows. A position is what the list is sorted by: the
// next page begins behind it.
type List[Row, Position any] struct {
	Name     string // cursors have it; it changes with the meaning of positions, so that an earlier cursor is refused
	Position func(Row) Position
}

// A cursor is the position behind the last row of a page. It is opaque to clients. It
// stays good as long as the list exists, whatever is added meanwhile.
type cursor[Position any] struct {
	List    string   `json:"list"`
	Filters string   `json:"filters,omitempty"`
	After   Position `json:"after"`
}

// Page reads a page. read gets the position to begin behind, nil for the first page, and
// how many rows to return at most.
func (l List[Row, Position]) Page(in Page, read func(after *Position, limit int) ([]Row, error)) ([]Row, NextPage, error) {
	after, err := l.decode(in)
	if err != nil {
		return nil, NextPage{}, err
	}

	rows, err := read(after, in.Limit+1) // the row beyond the page tells that there is a next page
	if err != nil || len(rows) <= in.Limit {
		return rows, NextPage{}, err
	}

	rows = rows[:in.Limit]

	next, err := json.Marshal(cursor[Position]{List: l.Name, Filters: in.filters, After: l.Position(rows[in.Limit-1])})
	if err != nil {
		return nil, NextPage{}, err
	}

	return rows, NextPage{NextCursor: base64.RawURLEncoding.EncodeToString(next)}, nil
}

// decode reads a cursor of the list with its filters; nil for none.
func (l List[Row, Position]) decode(in Page) (*Position, error) {
	if in.Cursor == "" {
		return nil, nil //nolint:nilnil // no position is a position
	}

	var c cursor[Position]

	data, err := base64.RawURLEncoding.Strict().DecodeString(in.Cursor)
	if err == nil {
		err = strict.Unmarshal(data, &c, strict.RejectUnknownMembers(true))
	}

	if err != nil || c.List != l.Name || c.Filters != in.filters {
		return nil, order.Errorf(problem.BadCursor, "%s", problem.TypeOf(problem.BadCursor).Detail)
	}

	return &c.After, nil
}

// Each converts rows. It never returns nil, which JSON would show as null.
func Each[Row, Shape any](rows []Row, of func(Row) Shape) []Shape {
	shapes := make([]Shape, len(rows))
	for i, row := range rows {
		shapes[i] = of(row)
	}

	return shapes
}
