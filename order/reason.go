package order

import (
	"cmp"
	"fmt"
	"time"
)

func over(o Order) Reason {
	text := fmt.Sprintf("The order is %s; nothing more happens to it.", o.Status)
	if o.StatusReason != "" {
		text = fmt.Sprintf("The order is %s (%s); nothing more happens to it.", o.Status, o.StatusReason)
	}

	return Reason{Code: FinalReason, Text: text}
}

func unpaid(f Facts) Reason {
	r := Reason{Code: PaymentAwaited, Text: "The order waits for its payment.", Until: f.Order.HoldUntil}

	switch until := f.Order.HoldUntil; {
	case until == nil:
	case until.After(f.Now):
		r.Text = fmt.Sprintf("The order waits for its payment until %s, and expires then.", moment(*until))
	default:
		r.Text = fmt.Sprintf("The payment was due at %s; the order is about to expire.", moment(*until))
	}

	return r
}

// explain says what the step waits for.
func (w Work) explain(step StepName, f Facts) Reason {
	if w.Job == nil {
		return w.buried(step, f)
	}

	switch w.Job.State {
	case "completed", "cancelled", "discarded":
		return w.buried(step, f)
	case "running":
		return w.running(step)
	}

	switch {
	case w.Paused != nil:
		return reasonf(QueuePaused, "The queue of the %s job is paused since %s: nothing in it runs until it is resumed.",
			step, moment(*w.Paused))
	case w.Workers == 0:
		return reasonf(NoWorker, "No worker is alive that would run the %s job: start one (orders work).", step)
	case w.Job.State != "available":
		return w.due(step, f)
	case w.Ahead == 0:
		return reasonf(AwaitingTurn, "Nothing is wrong: the %s job is the next to run.", step)
	case w.Ahead > MaxAhead:
		return reasonf(AwaitingTurn, "Nothing is wrong: more than %d jobs are ahead of the %s job.", MaxAhead, step)
	default:
		return reasonf(AwaitingTurn, "Nothing is wrong: %s ahead of the %s job.", count(w.Ahead, "job is", "jobs are"), step)
	}
}

// due is for a job that waits for its time.
func (w Work) due(step StepName, f Facts) Reason {
	at := w.Job.ScheduledAt

	if !f.Leader {
		return reasonf(NoLeader, "The %s job is due at %s, but no worker process leads, which would put it back into its queue.",
			step, moment(at))
	}

	if w.Job.LastError == "" {
		r := reasonf(AwaitingTime, "The %s job is to run at %s.", step, moment(at))
		r.Until = &at

		return r
	}

	r := reasonf(AwaitingRetry, "The %s job has failed %s (%s) and is tried again at %s.",
		step, count(w.Job.Attempts, "time", "times"), PublicError(w.Job.LastError), moment(at))
	r.Until = &at

	return r
}

func (w Work) running(step StepName) Reason {
	since := w.Job.ScheduledAt
	if w.Job.AttemptedAt != nil {
		since = *w.Job.AttemptedAt
	}

	if w.Job.WorkerGone {
		return reasonf(WorkerGone, "The worker %s died while it ran the %s job, since %s; the job goes back to its queue by itself.",
			w.Job.Worker, step, moment(since))
	}

	return reasonf(RunningNow, "Nothing is wrong: the %s job is running on worker %s since %s.", step, w.Job.Worker, moment(since))
}

// buried is for a step without a live job.
func (w Work) buried(step StepName, f Facts) Reason {
	switch {
	case w.Letter != nil:
		return w.Letter.explain(step, f)
	case w.Job != nil && w.Job.State != "completed":
		return reasonf(GivenUp, "The %s job was given up (%s), and nobody has asked for it again.",
			step, cmp.Or(PublicError(w.Job.LastError), "it was cancelled"))
	default:
		return reasonf(JobMissing, "The %s step has no job, which should not be; the next sweep for such orders enqueues it again.", step)
	}
}

func (l *Letter) explain(step StepName, f Facts) Reason {
	next := l.redriveAt(f.RedriveAfter)
	text := fmt.Sprintf("The %s job is dead since %s (%s)", step, moment(l.DeadAt), cmp.Or(PublicError(l.Error), "cancelled by hand"))

	switch {
	case l.Attention:
		text += "; it needs somebody's attention."
	case next != nil:
		text += fmt.Sprintf("; it is redriven at %s.", moment(*next))
	default:
		text += "; the next sweep decides what becomes of it."
	}

	return Reason{Code: DeadLettered, Text: text, Until: next, Link: fmt.Sprintf("/dead-letters/%d", l.JobID)}
}

func reasonf(code ReasonCode, format string, args ...any) Reason {
	return Reason{Code: code, Text: fmt.Sprintf(format, args...)}
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}

	return fmt.Sprintf("%d %s", n, many)
}

// moment words a time for people.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
