package middleware

import (
	"errors"
	"fmt"
	"io"

	"github.com/danielgtaylor/huma/v2"
)

// MediaCSV is the media type of tables for other programs.
const MediaCSV = "text/csv"

// CSV is the format of responses that are tables and have a method WriteCSV. Requests are never
// in it.
var CSV = huma.Format{
	Marshal: func(w io.Writer, v any) error {
		table, ok := v.(interface{ WriteCSV(w io.Writer) error })
		if !ok {
			return fmt.Errorf("%T is no table", v)
		}

		return table.WriteCSV(w) //nolint:wrapcheck // it is the writer's
	},
	Unmarshal: func([]byte, any) error { return errors.New("CSV is not read") },
}
