package flow

import (
	"context"

	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/jobs"
	"orders/order"
)

// judge decides each redrive by its letter and by how far the letter's work is.
func (r *redriving) judge(ctx context.Context, tx pgx.Tx) error {
	var works []db.Work

	for i, redrive := range r.redrives {
		letter, found := r.letters[redrive.JobID]

		switch d := &r.done[i]; {
		case d.Outcome != "":
		case !found:
			d.Outcome = OutcomeNotFound
		case letter.Resolved:
			d.Outcome = OutcomeAlreadyResolved
		case !letter.HasOrder || !jobs.Redrivable(letter.Work.Kind):
			d.Outcome = OutcomeCannotRedrive
		default:
			works = append(works, letter.Work)
		}
	}

	standings, err := db.Standings(ctx, tx, works)
	if err != nil {
		return err
	}

	taken := map[db.Work]bool{}

	for i, redrive := range r.redrives {
		d, work := &r.done[i], r.letters[redrive.JobID].Work
		if d.Outcome != "" {
			continue
		}

		d.Outcome = prospect(work.Kind, standings[work])

		if d.Outcome == OutcomeEligible && taken[work] {
			d.Outcome = OutcomeLiveJobExists // another letter of the same work is redriven with this one
		}

		taken[work] = taken[work] || d.Outcome == OutcomeEligible
	}

	return nil
}

// prospect is what a redrive of a kind's work would come to.
func prospect(kind string, s db.Standing) Outcome {
	notice := kind == jobs.Notification{}.Kind() // a message is due however its order ended

	switch {
	case s.Status == "":
		return OutcomeCannotRedrive
	case s.Status.Final() && !notice:
		return OutcomeOrderIsFinal
	case s.Applied || settled(kind, s.Status):
		return OutcomeAlreadyApplied
	case s.Live:
		return OutcomeLiveJobExists
	default:
		return OutcomeEligible
	}
}

// settled tells whether an order's status says that a kind's work is over.
func settled(kind string, status order.Status) bool {
	switch kind {
	case jobs.Inventory{}.Kind():
		return status != order.Pending
	case jobs.Expire{}.Kind():
		return status != order.Pending && status != order.AwaitingPayment
	default:
		return false
	}
}
