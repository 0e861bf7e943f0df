// Package output prints tables for people and for other programs.
package output

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf8"

	"orders/db/report"
)

// Table prints a report's result as a table for people, as csv or as json.
func Table(w io.Writer, t report.Table, format string) error {
	switch format {
	case "table":
		return writeText(w, t)
	case "csv":
		return t.WriteCSV(w)
	case "json":
		return writeJSON(w, t)
	default:
		return fmt.Errorf("unknown format %q: write table, csv or json", format)
	}
}

// writeText aligns the columns. Numbers are aligned to the right, to be compared.
func writeText(w io.Writer, t report.Table) error {
	if len(t.Rows) == 0 {
		_, err := fmt.Fprintln(w, "(no rows)")

		return err
	}

	lines := [][]string{t.Columns} // as text, the heading first

	for _, row := range t.Rows {
		line := make([]string, len(row))
		for i, value := range row {
			line[i] = printable(value)
		}

		lines = append(lines, line)
	}

	tabs := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	widths := numberWidths(t, lines)

	for _, line := range lines {
		for i, cell := range line {
			if i > 0 {
				fmt.Fprint(tabs, "\t")
			}

			fmt.Fprintf(tabs, "%*s", widths[i], cell)
		}

		fmt.Fprintln(tabs)
	}

	return tabs.Flush()
}

// numberWidths are the widths of the columns that hold numbers, 0 for the others.
func numberWidths(t report.Table, lines [][]string) []int {
	widths := make([]int, len(t.Columns))

	for n, row := range t.Rows {
		for i, value := range row {
			switch value.(type) {
			case int64, float64:
				widths[i] = max(widths[i], utf8.RuneCountInString(lines[n+1][i]), len(t.Columns[i]))
			}
		}
	}

	return widths
}

// printable writes a value in one line. Error texts come from anywhere: a newline
// would break the table, and an escape sequence would reach the terminal.
func printable(value any) string {
	if value == nil {
		return "-"
	}

	return Line(report.Plain(value))
}

// Line writes a text in one line, without what is not printable.
func Line(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}

		return ' '
	}, text)
}

// writeJSON writes an array of objects, one a line.
func writeJSON(w io.Writer, t report.Table) error {
	var out bytes.Buffer

	out.WriteString("[")

	for n, row := range t.Objects() {
		if n > 0 {
			out.WriteString(",")
		}

		text, err := row.MarshalJSON()
		if err != nil {
			return err
		}

		out.WriteString("\n")
		out.Write(text)
	}

	if len(t.Rows) > 0 {
		out.WriteString("\n")
	}

	out.WriteString("]\n")

	_, err := w.Write(out.Bytes())

	return err
}
