package main

import (
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
)

type showLetterCmd struct {
	JobID int64 `arg:"" help:"The letter's job."`
	JSON  bool  `name:"json" help:"For scripts: an object, as GET /dead-letters/{job_id} has it."`
}

func (c showLetterCmd) Run(p *program) error {
	return withPool(p, func(pool *pgxpool.Pool) error {
		letter, err := db.ReadDeadLetter(p.ctx, pool, c.JobID)
		if err != nil {
			return spoken(err)
		}

		if c.JSON {
			return printJSON(p, letter)
		}

		return showLetter(p, letter)
	})
}

// showLetter prints three tables: the letter, a field a row; its errors; its redrives.
func showLetter(p *program, l db.DeadLetterWhole) error {
	fields := db.Table{Columns: []string{"field", "value"}}
	field := func(name string, value any) { fields.Rows = append(fields.Rows, []any{name, value}) }

	one := lettersTable([]db.DeadLetter{l.DeadLetter})
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

	runs := db.Table{Columns: []string{"attempt", "at", "error"}}
	for _, e := range l.Errors {
		runs.Rows = append(runs.Rows, []any{int64(e.Attempt), e.At, e.Error})
	}

	redrives := db.Table{Columns: []string{"redriven_at", "actor", "outcome", "new_job_id", "note"}}
	for _, r := range l.RedriveHistory {
		var newJob any
		if r.NewJobID != nil {
			newJob = *r.NewJobID
		}

		redrives.Rows = append(redrives.Rows, []any{r.At.UTC().Format(time.RFC3339), r.Actor, r.Outcome, newJob, r.Note})
	}

	for _, t := range []db.Table{fields, runs, redrives} {
		if len(t.Rows) == 0 {
			continue
		}

		if err := writeTable(p.stdout, t, "table"); err != nil {
			return err
		}

		fmt.Fprintln(p.stdout)
	}

	return nil
}
