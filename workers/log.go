package workers

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/riverqueue/river/rivertype"

	"orders/db"
	"orders/db/deadletter"
	"orders/db/jobqueue"
	"orders/jobs"
	"orders/order"
	"orders/workers/sample"
)

// logged is an error's text for the log, without values that may be personal data: Postgres
// quotes the value in errors of class 22, and a step may raise any text itself (class P0).
// River keeps the whole text with the job.
func logged(err error) string {
	pgErr, isPostgres := errors.AsType[*pgconn.PgError](err)
	if isPostgres && (strings.HasPrefix(pgErr.Code, "22") || strings.HasPrefix(pgErr.Code, "P0")) {
		return "SQLSTATE " + pgErr.Code
	}

	const longest = 300

	text := err.Error()
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "…"
	}

	return text
}

// A sampler logs failures, of many of one cause a few, and tells the observer of each failed attempt.
type sampler struct {
	*sample.Log

	failure func(kind string, class deadletter.Reason)
}

func newSampler(log *slog.Logger) *sampler {
	return &sampler{Log: sample.New(log), failure: unobserved{}.AttemptFailed}
}

// attempt logs a failed attempt of a job: of one order, or of as many as share the job.
func (s *sampler) attempt(ctx context.Context, job *rivertype.JobRow, err error) {
	s.failed(ctx, job.Kind, jobqueue.Attempt{JobID: job.ID, Number: job.Attempt}, job.MaxAttempts, ordersOf(job), err)
}

// failed logs a failed attempt. orders is an order's id, or the number of orders.
func (s *sampler) failed(ctx context.Context, kind string, a jobqueue.Attempt, most int, orders slog.Attr, err error) {
	err = db.Error(err)
	s.failure(kind, outcomeOf(err).class)

	next := slog.String("next_try", "none: the job is given up")
	if !outcomeOf(err).cancel && a.Number < most {
		next = slog.String("next_try", "within "+jobs.PolicyOf(kind).LongestRetryAfter(a.Number).String())
	}

	s.Warn(ctx, "attempt failed", kind, order.CodeOf(err), "job", a.JobID, orders, "attempt", a.Number, next, "error", logged(err))
}

// ordersOf names the order of a job, or counts the orders that share it.
func ordersOf(job *rivertype.JobRow) slog.Attr {
	var args struct {
		OrderID  string            `json:"order_id"`
		OrderIDs []json.RawMessage `json:"order_ids"`
	}

	_ = json.Unmarshal(job.EncodedArgs, &args) // args of a job that names no order

	if args.OrderIDs != nil {
		return slog.Int("orders", len(args.OrderIDs))
	}

	return slog.String("order", args.OrderID)
}
