package output

import (
	"time"

	"orders/db/deadletter"
	"orders/db/report"
)

// Letters is a list of dead letters.
func Letters(letters []deadletter.Letter) report.Table {
	t := report.Table{Columns: []string{"job_id", "dead_at", "kind", "order_id", "attempts", "redrives", "reason", "resolution", "error"}}

	for _, l := range letters {
		resolution := any(string(l.Resolution))
		if l.Resolution == "" && l.AttentionAt != nil {
			resolution = "needs attention"
		} else if l.Resolution == "" {
			resolution = "open"
		}

		t.Rows = append(t.Rows, []any{
			l.JobID, l.DeadAt, l.Kind, ValueOf(l.OrderID), int64(l.Attempts), int64(l.Redrives),
			string(l.Reason), resolution, shortened(l.Error),
		})
	}

	return t
}

// shortened is an error's text as it fits into a table; show prints all of it.
func shortened(text string) string {
	const width = 100

	if runes := []rune(text); len(runes) > width {
		return string(runes[:width]) + "…"
	}

	return text
}

// Letter is one dead letter: its fields, one a row; its errors; its redrives.
func Letter(l deadletter.Detail) []report.Table {
	return []report.Table{fieldsTable(l), attemptsTable(l), redrivesTable(l)}
}

func fieldsTable(l deadletter.Detail) report.Table {
	fields := report.Table{Columns: []string{"field", "value"}}
	field := func(name string, value any) { fields.Rows = append(fields.Rows, []any{name, value}) }

	one := Letters([]deadletter.Letter{l.Letter})
	for i, name := range one.Columns[:len(one.Columns)-1] {
		field(name, one.Rows[0][i])
	}

	field("signature", l.Signature)
	field("args", string(l.Args))

	if l.RedriveOf != nil {
		field("redrive_of", *l.RedriveOf)
	}

	if l.ResolvedAt != nil {
		field("resolved_at", *l.ResolvedAt)
		field("resolved_by", l.ResolvedBy)
		field("note", l.Note)
	}

	return fields
}

func attemptsTable(l deadletter.Detail) report.Table {
	t := report.Table{Columns: []string{"attempt", "at", "error"}}
	for _, e := range l.Errors {
		t.Rows = append(t.Rows, []any{int64(e.Attempt), e.At, e.Error})
	}

	return t
}

func redrivesTable(l deadletter.Detail) report.Table {
	t := report.Table{Columns: []string{"redriven_at", "actor", "outcome", "new_job_id", "note"}}
	for _, r := range l.RedriveHistory {
		t.Rows = append(t.Rows, []any{r.At.UTC().Format(time.RFC3339), r.Actor, r.Outcome, ValueOf(r.NewJobID), r.Note})
	}

	return t
}

// ValueOf is what a pointer points to, for a table; nil for no value.
func ValueOf[T any](pointer *T) any {
	if pointer == nil {
		return nil
	}

	return *pointer
}
