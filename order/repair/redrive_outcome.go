package repair

import (
	"context"

	"github.com/jackc/pgx/v5"

	"orders/db/progress"
	"orders/jobs"
	"orders/order"
)

// decide gives each request its outcome, by its letter and by the status of the letter's
// work.
func (r *redriving) decide(ctx context.Context, tx pgx.Tx) error {
	var works []progress.Work

	for i, request := range r.requests {
		letter, found := r.letters[request.JobID]

		switch d := &r.results[i]; {
		case !found:
			d.Outcome = NotFound
		case letter.Resolved:
			d.Outcome = AlreadyResolved
		case !letter.HasOrder || !jobs.Redrivable(letter.Work.Kind):
			d.Outcome = NotRedrivable
		default:
			works = append(works, letter.Work)
		}
	}

	statuses, err := progress.Statuses(ctx, tx, works)
	if err != nil {
		return err
	}

	taken := map[progress.Work]bool{}

	for i, request := range r.requests {
		d, work := &r.results[i], r.letters[request.JobID].Work
		if d.Outcome != "" {
			continue
		}

		d.Outcome = outcomeOf(work.Kind, statuses[work])

		if d.Outcome == Eligible && taken[work] {
			d.Outcome = LiveJobExists // another letter of the same work is redriven with this one
		}

		taken[work] = taken[work] || d.Outcome == Eligible
	}

	return nil
}

// outcomeOf is the outcome of a redrive, by the work's kind and status.
func outcomeOf(kind string, s progress.Status) Outcome {
	step, isStep := order.StepOf(order.StepName(kind))

	switch {
	case s.Order == "":
		return NotRedrivable
	case s.Order.Final() && (!isStep || step.Reversible): // a message is due even if its order has ended
		return OrderIsFinal
	case s.Applied, kind == jobs.KindExpire && !s.Order.Expires():
		return AlreadyApplied
	case s.Live:
		return LiveJobExists
	default:
		return Eligible
	}
}
