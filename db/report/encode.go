package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"
)

// Plain writes a value as text; null is empty.
func Plain(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case time.Time:
		return v.UTC().Format(time.RFC3339)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64) // no 1e+06
	default:
		return fmt.Sprint(v)
	}
}

// WriteCSV writes the table with a line of its columns first.
func (t Table) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	_ = out.Write(t.Columns) // out keeps the error

	for _, row := range t.Rows {
		record := make([]string, len(row))
		for i, value := range row {
			record[i] = Plain(value)
		}

		_ = out.Write(record)
	}

	out.Flush()

	return out.Error() //nolint:wrapcheck // it is the writer's
}

// A Row is a row as a JSON object whose fields are in the order of the columns, which a map
// would lose.
type Row struct {
	Columns []string
	Values  []any
}

// MarshalJSON writes the object.
func (r Row) MarshalJSON() ([]byte, error) {
	out := bytes.NewBufferString("{")

	for i, value := range r.Values {
		if i > 0 {
			out.WriteByte(',')
		}

		if at, ok := value.(time.Time); ok {
			value = Plain(at)
		}

		key, err := json.Marshal(r.Columns[i])
		if err != nil {
			return nil, fmt.Errorf("encode column name: %w", err)
		}

		text, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", r.Columns[i], err)
		}

		out.Write(key)
		out.WriteByte(':')
		out.Write(text)
	}

	out.WriteByte('}')

	return out.Bytes(), nil
}

// Objects are the rows for JSON. It is never nil.
func (t Table) Objects() []Row {
	rows := make([]Row, len(t.Rows))
	for i, values := range t.Rows {
		rows[i] = Row{Columns: t.Columns, Values: values}
	}

	return rows
}
