package operation_test

import (
	"encoding/base64"
	"errors"
	"slices"
	"testing"

	"orders/api/operation"
	"orders/api/problem"
	"orders/order"
)

type position struct{ Number int }

// numbers lists the numbers from 1 to 5 behind a position.
var numbers = operation.List[int, position]{Name: "numbers.1", Position: func(n int) position { return position{Number: n} }}

func readNumbers(after *position, limit int) ([]int, error) {
	first := 1
	if after != nil {
		first = after.Number + 1
	}

	var rows []int
	for n := first; n <= 5 && len(rows) < limit; n++ {
		rows = append(rows, n)
	}

	return rows, nil
}

func TestPagesHaveEachRowOnce(t *testing.T) {
	t.Parallel()

	for limit := 1; limit <= 6; limit++ {
		var (
			seen []int
			next operation.NextPage
		)

		for first := true; first || next.NextCursor != ""; first = false {
			var (
				rows []int
				err  error
			)

			rows, next, err = numbers.Page(operation.Page{Limit: limit, Cursor: next.NextCursor}, readNumbers)
			if err != nil || len(rows) > limit || len(rows) == 0 {
				t.Fatalf("limit %d: %v, %v", limit, rows, err)
			}

			seen = append(seen, rows...)
		}

		if !slices.Equal(seen, []int{1, 2, 3, 4, 5}) {
			t.Errorf("limit %d: %v", limit, seen)
		}
	}
}

// A cursor whose position has other fields, as one of an earlier release may, would be
// read as another position.
func TestCursorsOfOtherListsAreRefused(t *testing.T) {
	t.Parallel()

	for _, cursor := range []string{
		`{"list":"numbers.0","after":{"Number":1}}`,
		`{"list":"numbers.1","after":{"number":1}}`,
		`{"list":"numbers.1","after":{"Number":1,"Other":2}}`,
		`{"list":"numbers.1","after":{"Number":1}} {}`,
		`{"list":"numbers.1","after":[]}`,
		`{}`, `null`, `x`,
	} {
		page := operation.Page{Limit: 1, Cursor: base64.RawURLEncoding.EncodeToString([]byte(cursor))}

		_, _, err := numbers.Page(page, readNumbers)
		if order.CodeOf(err) != problem.BadCursor {
			t.Errorf("%s: %v", cursor, err)
		}
	}
}

func TestAPageThatCannotBeReadIsAnError(t *testing.T) {
	t.Parallel()

	broken := errors.New("broken")

	_, _, err := numbers.Page(operation.Page{Limit: 1}, func(*position, int) ([]int, error) { return nil, broken })
	if !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}
