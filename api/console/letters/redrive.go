package letters

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/api/access"
	"orders/api/console/page"
	"orders/db"
	"orders/db/deadletter"
	"orders/order"
	"orders/order/repair"
)

// maxLetters bounds an act on a group, as in the API.
const maxLetters = 1_000

// A planPage is what an act on a group would do. It is a dry run.
type planPage struct {
	Act             string // redrive or resolve
	Kind, Signature string
	Note            string
	Rate            float64
	Limit           int
	Rows            []planRow
	Total           int // letters
	Eligible        int // letters that the act changes
	Seconds         int // that the new jobs are spread over
}

// A planRow is how many letters would have an outcome.
type planRow struct {
	Outcome string
	Means   string
	Letters int
}

func (p *planPage) count(outcome, means string) {
	p.Total++

	for i := range p.Rows {
		if p.Rows[i].Outcome == outcome {
			p.Rows[i].Letters++

			return
		}
	}

	p.Rows = append(p.Rows, planRow{outcome, means, 1})
}

// plan makes a dry run of an act on a group, and asks to confirm it.
func (s *service) plan(r *http.Request) (page.View, error) {
	v := page.View{Template: "plan", Section: "problems"}

	filter, err := groupOf(r)
	if err != nil {
		return v, err
	}

	p := planPage{Act: r.FormValue("act"), Kind: filter.Kind, Signature: filter.Signature, Note: note(r)}
	if p.Rate, p.Limit, err = paceOf(r); err != nil {
		return v, err
	}

	op := repair.Operation{ID: uuid.New(), Filter: filter, Limit: p.Limit, Actor: access.Actor(r.Context())}

	switch p.Act {
	case "resolve":
		v.Title, err = "Resolve: dry run", s.planResolve(r.Context(), op, &p)
	default:
		p.Act = "redrive"
		v.Title, err = "Redrive: dry run", s.planRedrive(r.Context(), op, &p)
	}

	v.Data = p

	return v, err
}

func (s *service) planRedrive(ctx context.Context, op repair.Operation, p *planPage) error {
	return db.Snapshot(ctx, s.pool, func(tx pgx.Tx) error {
		run, err := repair.RedriveMany(ctx, tx, s.queue, repair.BulkRedrive{Operation: op, Note: p.Note, Rate: p.Rate}, true)

		for _, result := range run.Results {
			p.count(string(result.Outcome), outcomeWords[result.Outcome])

			if slices.Contains([]repair.Outcome{repair.Eligible, repair.AlreadyApplied, repair.OrderIsFinal}, result.Outcome) {
				p.Eligible++
			}
		}

		if p.Rate > 0 {
			p.Seconds = int(float64(p.Eligible) / p.Rate)
		}

		return err
	})
}

func (s *service) planResolve(ctx context.Context, op repair.Operation, p *planPage) error {
	return db.Snapshot(ctx, s.pool, func(tx pgx.Tx) error {
		run, err := repair.ResolveMany(ctx, tx, repair.BulkResolve{Operation: op, Reason: p.Note}, true)

		for _, result := range run.Results {
			means := "The letter stays as it is."

			if result.Outcome == repair.ResolveEligible {
				means = "The letter is dismissed: nothing is to be done."
				p.Eligible++
			}

			p.count(string(result.Outcome), means)
		}

		return err
	})
}

func note(r *http.Request) string { return strings.TrimSpace(r.FormValue("note")) }

// paceOf is the rate and the limit that a form has.
func paceOf(r *http.Request) (rate float64, limit int, err error) {
	limit = maxLetters

	if text := r.FormValue("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > maxLetters {
			return 0, 0, order.Errorf(order.Invalid, "The number of letters must be from 1 to %d.", maxLetters)
		}
	}

	if text := r.FormValue("rate"); text != "" && text != "0" {
		if rate, err = strconv.ParseFloat(text, 64); err != nil || rate < 0.01 || rate > 10_000 {
			return 0, 0, order.Errorf(order.Invalid, "The rate must be from 0.01 to 10000 jobs a second, or empty for all at once.")
		}
	}

	if note(r) != "" {
		err = order.CheckWhy(note(r))
	}

	return rate, limit, err
}

// operationOf is the operation that a form asks for.
func operationOf(r *http.Request) (op repair.Operation, rate float64, err error) {
	if op.ID, err = page.FormID(r); err != nil {
		return op, 0, err
	}

	op.Actor = access.Actor(r.Context())

	if r.PathValue("job") != "" {
		job, err := jobOf(r)
		op.JobIDs = []int64{job}

		return op, 0, err
	}

	if op.Filter, err = groupOf(r); err != nil {
		return op, 0, err
	}

	rate, op.Limit, err = paceOf(r)

	return op, rate, err
}

func (s *service) redriveGroup(r *http.Request) (string, error) {
	ctx := r.Context()
	op, rate, err := operationOf(r)
	if err != nil {
		return "", err
	}

	var letters int

	err = db.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		run, err := repair.RedriveMany(ctx, tx, s.queue, repair.BulkRedrive{Operation: op, Note: note(r), Rate: rate}, false)
		letters = len(run.Results)

		return err
	})
	if letters == 0 {
		return groupAddress(op.Filter.Kind, op.Filter.Signature, url.Values{"done": {"nothing"}}), err
	}

	return "/console/redrives/" + op.ID.String(), err
}

func (s *service) resolveGroup(r *http.Request) (string, error) {
	ctx := r.Context()
	op, _, err := operationOf(r)
	if err != nil {
		return "", err
	}

	var dismissed int

	err = db.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		run, err := repair.ResolveMany(ctx, tx, repair.BulkResolve{Operation: op, Reason: note(r)}, false)
		dismissed = len(run.Results)

		return err
	})

	return groupAddress(op.Filter.Kind, op.Filter.Signature,
		url.Values{"state": {"resolved"}, "done": {"resolved"}, "n": {strconv.Itoa(dismissed)}}), err
}

func letterAddress(id int64, done string) string {
	return "/console/problems/letters/" + strconv.FormatInt(id, 10) + "?done=" + done
}

func (s *service) redriveLetter(r *http.Request) (string, error) {
	ctx := r.Context()
	op, _, err := operationOf(r)
	if err != nil {
		return "", err
	}

	what := "unredriven"

	err = db.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		run, err := repair.RedriveOne(ctx, tx, s.queue, repair.BulkRedrive{Operation: op, Note: note(r)})
		if err == nil && run.Results[0].Outcome == repair.Redriven {
			what = "redriven"
		}

		return err
	})

	return letterAddress(op.JobIDs[0], what), err
}

func (s *service) resolveLetter(r *http.Request) (string, error) {
	ctx := r.Context()
	job, err := jobOf(r)
	if err != nil {
		return "", err
	}

	return letterAddress(job, "resolved"), db.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		_, err := repair.ResolveLetter(ctx, tx, job, access.Actor(ctx), note(r))

		return err
	})
}

func (s *service) reopenLetter(r *http.Request) (string, error) {
	ctx := r.Context()
	job, err := jobOf(r)
	if err != nil {
		return "", err
	}

	return letterAddress(job, "reopened"), db.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		_, err := repair.ReopenLetter(ctx, tx, job, access.Actor(ctx), note(r))

		return err
	})
}

type redrivePage struct {
	deadletter.Operation

	Rows                   []redriveRow
	Jobs, Live, Dead, Done int64 // of the new jobs
}

// A redriveRow is an outcome of a redrive.
type redriveRow struct {
	deadletter.OperationCount

	Means string
}

// redrive shows a redrive and how far its jobs are.
func (s *service) redrive(r *http.Request) (page.View, error) {
	v := page.View{Template: "redrive", Title: "Redrive", Section: "problems"}

	id, err := page.PathID(r, "operation")
	if err != nil {
		return v, err
	}

	var p redrivePage

	if p.Operation, err = deadletter.ReadOperation(r.Context(), s.pool, id); err != nil {
		return v, err
	}

	for _, count := range p.Counts {
		p.Rows = append(p.Rows, redriveRow{count, outcomeWords[repair.Outcome(count.Outcome)]})
		p.Live, p.Dead, p.Done = p.Live+count.Live, p.Dead+count.Dead, p.Done+count.Done
	}

	p.Jobs = p.Live + p.Dead + p.Done

	if p.Live > 0 {
		v.Refresh = 1
	}

	v.Data = p

	return v, nil
}
