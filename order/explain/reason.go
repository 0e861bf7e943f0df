package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"orders/db/deadletter"
	"orders/db/progress"
	"orders/jobs"
	"orders/order"
)

func final(o order.Order) Reason {
	text := fmt.Sprintf("The order is %s; nothing more happens to it.", o.Status)
	if o.StatusReason != "" {
		text = fmt.Sprintf("The order is %s (%s); nothing more happens to it.", o.Status, o.StatusReason)
	}

	return Reason{Code: Final, Text: text}
}

// awaitingPayment is the reason of a held order. Its own job ends it at the deadline; if that
// fails, a sweep does.
func awaitingPayment(f progress.Facts, redriveAfter []time.Duration) Reason {
	r := Reason{Code: AwaitingPayment, Text: "The order waits for its payment.", Until: f.Order.HoldUntil}

	switch until := f.Order.HoldUntil; {
	case until == nil:
	case f.Payment != nil:
		r.Text = fmt.Sprintf("The order is paid (reference %s), and is confirmed at %s.", f.Payment.Reference, moment(*until))
	case until.After(f.Now):
		r.Text = fmt.Sprintf("The order waits for its payment until %s, and expires then.", moment(*until))
	case !f.Now.After(until.Add(late)):
		r.Text = fmt.Sprintf("The payment was due at %s; the order is about to expire.", moment(*until))
	default:
		e := explanation{Facts: f, step: progress.Expire, work: f.Work[progress.Expire], redriveAfter: redriveAfter}
		r.Code = Overdue
		r.Text = sentences(fmt.Sprintf("The payment was due at %s, but the order has not expired.", moment(*until)),
			e.obstacle(), e.stalled(progress.SweepExpire))
	}

	return r
}

// locks are the reasons of rows that other sessions hold.
func locks(f progress.Facts) []Reason {
	reasons := make([]Reason, len(f.Locks))

	for i, l := range f.Locks {
		reasons[i] = reasonf(Locked, "A session has held a lock on %s since %s: pid %d, application %q. "+
			"The order's steps wait until its transaction ends.",
			cmp.Or(l.Row, "what a worker needs"), moment(l.Since), l.PID, l.Application)
	}

	return reasons
}

// oldSnapshots are the reasons of what slows the queues down, if a step waits for its turn or for
// its attempt.
func oldSnapshots(f progress.Facts, reasons []Reason) (list []Reason) {
	if !slices.ContainsFunc(reasons, func(r Reason) bool { return slices.Contains([]Code{Queued, Running, Overdue}, r.Code) }) {
		return nil
	}

	for _, h := range f.Old {
		since := fmt.Sprintf("for %d transactions", h.Transactions)
		if h.Since != nil {
			since = "since " + moment(*h.Since)
		}

		who := fmt.Sprintf("pid %d, application %q, role %s", h.PID, h.Application, h.Role)
		if h.Name != "" {
			who = fmt.Sprintf("name %q", h.Name)
		}

		list = append(list, reasonf(OldSnapshot, "A %s has kept dead rows from being removed %s: %s. "+
			"The queues become slower until its transaction ends.", h.Kind, since, who))
	}

	return list
}

// An explanation is made of the facts of a step that is not done.
type explanation struct {
	progress.Facts

	step         order.StepName
	work         progress.Step
	redriveAfter []time.Duration
}

// late is after how long what the system does by itself is late: the timeout of an attempt,
// River's rescue, and the grace and the period of the sweeps are less.
const late = 2 * time.Minute

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

	switch {
	case e.work.Paused != nil:
		return reasonf(QueuePaused, "The queue of the %s job has been paused since %s: its jobs do not run until it is resumed.%s",
			e.step, moment(*e.work.Paused), e.failures())
	case e.work.Workers == 0:
		return reasonf(NoWorker, "No worker is alive that works the queue of the %s job: start one (orders work).%s", e.step, e.failures())
	case job.State != "available" || job.ScheduledAt.After(e.Now): // River makes a job available a little before it is due
		return e.due()
	default:
		return e.queued()
	}
}

// failures is a sentence about the job's failed attempts, which no reason leaves out; empty
// if there are none.
func (e explanation) failures() string {
	if before := e.work.Before; e.work.Job.Failures == 0 && before != nil {
		return fmt.Sprintf(" It is a redrive of job %d, which was dead at %s (%s).",
			before.JobID, moment(before.DeadAt), causeOfDeath(deadletter.Reason(before.Reason), order.PublicError(before.Code)))
	}

	if e.work.Job.Failures == 0 {
		return ""
	}

	return fmt.Sprintf(" The job has failed %s (%s).", count(e.work.Job.Failures, "time", "times"), order.PublicError(e.work.Job.Code))
}

// queued is the reason of a job that waits for its turn.
func (e explanation) queued() Reason {
	place := fmt.Sprintf("%s ahead of the %s job.", count(e.work.Ahead, "order is", "orders are"), e.step)

	switch ahead := e.work.Ahead; {
	case ahead == 0:
		place = fmt.Sprintf("the %s job is the next to run.", e.step)
	case ahead > progress.MaxAhead:
		place = fmt.Sprintf("more than %d orders are ahead of the %s job.", progress.MaxAhead, e.step)
	}

	switch at := e.work.Job.ScheduledAt; {
	case e.work.Ahead == 0 && e.isLate(at):
		return reasonf(Overdue, "The %s job is the next to run, but no worker has taken it since %s.%s", e.step, moment(at), e.failures())
	case e.isLate(at):
		return reasonf(Overdue, "The %s job has waited since %s: %s%s", e.step, moment(at), place, e.failures())
	case e.failures() != "":
		return reasonf(AwaitingRetry, "The %s job waits for its next attempt: %s%s", e.step, place, e.failures())
	default:
		return e.normally(Queued, place)
	}
}

// isLate tells whether a moment is longer ago than the system needs to act. A fact without a
// moment is not late.
func (e explanation) isLate(at time.Time) bool { return !at.IsZero() && e.Now.After(at.Add(late)) }

// normally is the reason of a job that has no fault of its own. While a session holds a lock,
// something is wrong all the same.
func (e explanation) normally(code Code, text string) Reason {
	if len(e.Locks) > 0 {
		return Reason{Code: code, Text: strings.ToUpper(text[:1]) + text[1:]}
	}

	return Reason{Code: code, Text: "Nothing is wrong: " + text}
}

// due is the reason of a job that waits for its time.
func (e explanation) due() Reason {
	job := e.work.Job
	at := job.ScheduledAt

	if !e.Leader && job.State != "available" {
		return reasonf(NoLeader, "The %s job is due at %s, but no worker is leader, and only the leader makes it available.%s",
			e.step, moment(at), e.failures())
	}

	if e.isLate(at) {
		return reasonf(Overdue, "The %s job was due at %s, but the leader has not made it available.%s", e.step, moment(at), e.failures())
	}

	r := reasonf(Scheduled, "The %s job is scheduled for %s.%s", e.step, moment(at), e.failures())
	if job.Failures > 0 {
		r = reasonf(AwaitingRetry, "The %s job has failed %s (%s); its next attempt is at %s.",
			e.step, count(job.Failures, "time", "times"), order.PublicError(job.Code), moment(at))
	}

	r.Until = &at

	return r
}

func (e explanation) running() Reason {
	job := e.work.Job
	since := job.ScheduledAt

	if job.AttemptedAt != nil {
		since = *job.AttemptedAt
	}

	switch {
	case job.WorkerGone && e.work.Workers == 0:
		return reasonf(WorkerDead, "The worker %s died while it ran the %s job, which began at %s; no worker is alive that rescues "+
			"the job: start one (orders work).%s", job.Worker, e.step, moment(since), e.failures())
	case job.WorkerGone:
		return reasonf(WorkerDead, "The worker %s died while it ran the %s job, which began at %s; another worker rescues the job.%s",
			job.Worker, e.step, moment(since), e.failures())
	case e.isLate(since):
		return reasonf(Overdue, "The %s job has been running on worker %s since %s, longer than an attempt may take.%s",
			e.step, job.Worker, moment(since), e.failures())
	case e.failures() != "":
		return reasonf(Retrying, "The %s job has been running again on worker %s since %s.%s",
			e.step, job.Worker, moment(since), e.failures())
	default:
		return e.normally(Running, fmt.Sprintf("the %s job has been running on worker %s since %s.", e.step, job.Worker, moment(since)))
	}
}

// withoutJob is the reason of a step without a live job.
func (e explanation) withoutJob() Reason {
	switch job := e.work.Job; {
	case e.work.Letter != nil:
		return e.deadLetter(*e.work.Letter)
	case job != nil && job.State != "completed":
		return reasonf(GivenUp, "The %s job was given up (%s), and no redrive has been requested.",
			e.step, cmp.Or(order.PublicError(job.Code), "it was cancelled"))
	}

	if stalled := e.stalled(progress.SweepMissingAgain); stalled != "" {
		return reasonf(JobMissing, "The %s step has no job, which should not happen. A sweep should enqueue it. %s", e.step, stalled)
	}

	return reasonf(JobMissing, "The %s step has no job, which should not happen; a sweep enqueues it within minutes.", e.step)
}

// obstacle says what keeps the expire job from ending an order that is late.
func (e explanation) obstacle() string {
	if e.work.Job == nil && e.work.Letter == nil {
		return "It has no expire job."
	}

	return e.reason().Text
}

// stalled says why a sweep does not do what it should; empty if nothing is known against it.
func (e explanation) stalled(sweep string) string {
	last, known := e.Sweeps[sweep]

	switch {
	case e.Upkeep.Paused != nil:
		return fmt.Sprintf("The %s queue has been paused since %s, so no sweep runs until it is resumed.",
			jobs.QueueMaintenance, moment(*e.Upkeep.Paused))
	case e.Upkeep.Workers == 0:
		return fmt.Sprintf("No worker is alive that works the %s queue, so no sweep runs: start one (orders work).", jobs.QueueMaintenance)
	case !e.Leader:
		return "No worker is leader, and only the leader starts sweeps."
	case known && last.Failures > 0 && last.FailedAt != nil:
		return fmt.Sprintf("The last %s failed, the newest at %s; the worker's log has the error.",
			count(last.Failures, "sweep", "sweeps"), moment(*last.FailedAt))
	case known && e.isLate(last.RanAt.Add(sweepsMayPause)):
		return fmt.Sprintf("The last sweep ended at %s.", moment(last.RanAt))
	default:
		return ""
	}
}

// sweepsMayPause is more than the longest sensible period of the sweeps.
const sweepsMayPause = 10 * time.Minute

func (e explanation) deadLetter(l progress.Letter) Reason {
	next := e.redriveAt(l)
	cause := causeOfDeath(deadletter.Reason(l.Reason), order.PublicError(l.Code))
	text := fmt.Sprintf("The %s job has been dead since %s (%s)", e.step, moment(l.DeadAt), cause)

	switch {
	case l.Attention && l.Sweeps > 0:
		text += fmt.Sprintf("; %s failed to undo the order, so an operator must decide.", count(l.Sweeps, "sweep has", "sweeps have"))
	case l.Attention:
		text += "; an operator must decide."
	case next != nil:
		text += "; " + e.promise(*next, progress.SweepRedrive, fmt.Sprintf("is redriven at %s", moment(*next)), "should be redriven")
	case l.Sweeps > 0:
		text += fmt.Sprintf("; %s failed to undo the order, and the next tries again.", count(l.Sweeps, "sweep has", "sweeps have"))
	default:
		text += "; " + e.promise(l.DeadAt, progress.SweepGiveUp, "is decided about by the next sweep", "should be decided about by a sweep")
	}

	return Reason{Code: DeadLetter, Text: text, Until: next, Link: fmt.Sprintf("/dead-letters/%d", l.JobID)}
}

// promise says what a sweep does with a letter that is due since a moment. If the sweep does not
// run, or should have done it already, it says that instead.
func (e explanation) promise(due time.Time, sweep, will, should string) string {
	stalled := e.stalled(sweep)

	switch {
	case stalled != "":
		return "it " + should + ". " + stalled
	case e.isLate(due):
		return fmt.Sprintf("it %s since %s, and has not been.", should, moment(due))
	default:
		return "it " + will + "."
	}
}

// sentences joins those that are not empty.
func sentences(list ...string) string {
	return strings.Join(slices.DeleteFunc(list, func(s string) bool { return s == "" }), " ")
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
