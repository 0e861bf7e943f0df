package explain

import (
	"cmp"
	"fmt"
	"time"

	"orders/db/deadletter"
	"orders/db/progress"
	"orders/order"
)

func final(o order.Order) Reason {
	text := fmt.Sprintf("The order is %s; nothing more happens to it.", o.Status)
	if o.StatusReason != "" {
		text = fmt.Sprintf("The order is %s (%s); nothing more happens to it.", o.Status, o.StatusReason)
	}

	return Reason{Code: Final, Text: text}
}

func awaitingPayment(f progress.Facts) Reason {
	r := Reason{Code: AwaitingPayment, Text: "The order waits for its payment.", Until: f.Order.HoldUntil}

	switch until := f.Order.HoldUntil; {
	case until == nil:
	case until.After(f.Now):
		r.Text = fmt.Sprintf("The order waits for its payment until %s, and expires then.", moment(*until))
	default:
		r.Text = fmt.Sprintf("The payment was due at %s; the order is about to expire.", moment(*until))
	}

	return r
}

// An explanation is made of the facts of a step that is not done.
type explanation struct {
	progress.Facts

	step         order.StepName
	work         progress.Step
	redriveAfter []time.Duration
}

func (e explanation) reason() Reason {
	job := e.work.Job

	if job == nil {
		return e.withoutJob()
	}

	switch job.State {
	case "completed", "cancelled", "discarded":
		return e.withoutJob()
	case "running":
		return e.running()
	}

	switch ahead := e.work.Ahead; {
	case e.work.Paused != nil:
		return reasonf(QueuePaused, "The queue of the %s job has been paused since %s: its jobs do not run until it is resumed.",
			e.step, moment(*e.work.Paused))
	case e.work.Workers == 0:
		return reasonf(NoWorker, "No worker is alive that works the queue of the %s job: start one (orders work).", e.step)
	case job.State != "available" || job.ScheduledAt.After(e.Now): // River makes a job available a little before it is due
		return e.due()
	case ahead == 0:
		return reasonf(Queued, "Nothing is wrong: the %s job is the next to run.", e.step)
	case ahead > progress.MaxAhead:
		return reasonf(Queued, "Nothing is wrong: more than %d jobs are ahead of the %s job.", progress.MaxAhead, e.step)
	default:
		return reasonf(Queued, "Nothing is wrong: %s ahead of the %s job.", count(ahead, "job is", "jobs are"), e.step)
	}
}

// due is the reason of a job that waits for its time.
func (e explanation) due() Reason {
	at := e.work.Job.ScheduledAt

	if !e.Leader && e.work.Job.State != "available" {
		return reasonf(NoLeader, "The %s job is due at %s, but no worker is leader, and only the leader makes it available.",
			e.step, moment(at))
	}

	if e.work.Job.Code == "" {
		r := reasonf(Scheduled, "The %s job is scheduled for %s.", e.step, moment(at))
		r.Until = &at

		return r
	}

	r := reasonf(AwaitingRetry, "The %s job has failed %s (%s); its next attempt is at %s.",
		e.step, count(e.work.Job.Attempts, "time", "times"), order.PublicError(e.work.Job.Code), moment(at))
	r.Until = &at

	return r
}

func (e explanation) running() Reason {
	job := e.work.Job
	since := job.ScheduledAt

	if job.AttemptedAt != nil {
		since = *job.AttemptedAt
	}

	if job.WorkerGone {
		return reasonf(WorkerDead, "The worker %s died while it ran the %s job, which began at %s; another worker rescues the job.",
			job.Worker, e.step, moment(since))
	}

	return reasonf(Running, "Nothing is wrong: the %s job has been running on worker %s since %s.", e.step, job.Worker, moment(since))
}

// withoutJob is the reason of a step without a live job.
func (e explanation) withoutJob() Reason {
	switch job := e.work.Job; {
	case e.work.Letter != nil:
		return e.deadLetter(*e.work.Letter)
	case job != nil && job.State != "completed":
		return reasonf(GivenUp, "The %s job was given up (%s), and no redrive has been requested.",
			e.step, cmp.Or(order.PublicError(job.Code), "it was cancelled"))
	default:
		return reasonf(JobMissing, "The %s step has no job, which should not happen; a sweep enqueues it within minutes.", e.step)
	}
}

func (e explanation) deadLetter(l progress.Letter) Reason {
	next := e.redriveAt(l)
	cause := causeOfDeath(deadletter.Reason(l.Reason), order.PublicError(l.Code))
	text := fmt.Sprintf("The %s job has been dead since %s (%s)", e.step, moment(l.DeadAt), cause)

	switch {
	case l.Attention:
		text += "; an operator must decide."
	case next != nil:
		text += fmt.Sprintf("; it is redriven at %s.", moment(*next))
	default:
		text += "; the next sweep decides what is done about it."
	}

	return Reason{Code: DeadLetter, Text: text, Until: next, Link: fmt.Sprintf("/dead-letters/%d", l.JobID)}
}

// causeOfDeath is what is known of why a job was given up. failure is its newest error in
// words, empty if no attempt reported one.
func causeOfDeath(reason deadletter.Reason, failure string) string {
	switch {
	case reason == deadletter.Cancelled && failure != "":
		return "cancelled by an operator; before that, " + failure
	case reason == deadletter.Cancelled:
		return "cancelled by an operator"
	case failure == "":
		return "no attempt reported an error, so it was probably discarded by hand"
	default:
		return failure
	}
}

// redriveAt is when the sweep redrives the letter; nil if it does not.
func (e explanation) redriveAt(l progress.Letter) *time.Time {
	if l.Attention || !deadletter.Reason(l.Reason).Passing() || l.Redrives >= len(e.redriveAfter) {
		return nil
	}

	at := l.DeadAt.Add(e.redriveAfter[l.Redrives])

	return &at
}

func reasonf(code Code, format string, args ...any) Reason {
	return Reason{Code: code, Text: fmt.Sprintf(format, args...)}
}

func count[N int | int64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}

	return fmt.Sprintf("%d %s", n, many)
}

// moment formats a time for people.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
