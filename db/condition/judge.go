package condition

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"orders/db/gauge"
	"orders/db/horizon"
)

// Judge judges a reading: one condition for each name, in the order of [Names].
func Judge(r Reading, l Limits) []Condition {
	byName := map[Name]Condition{
		Schema:          r.schema(),
		NoWorkers:       r.noWorkers(),
		NoLeader:        r.noLeader(),
		QueuePaused:     r.queuePaused(l.Paused),
		OldestWork:      r.oldestWork(l.OldestWork),
		RetryingWork:    r.retryingWork(l.Retrying),
		DeadLetters:     r.deadLetters(l.DeadLetters),
		AuditFindings:   r.auditFindings(),
		AuditLate:       r.auditLate(l.AuditLate),
		SweepFailing:    r.sweepFailing(l.SweepFailures),
		OldSnapshot:     r.oldSnapshot(l.OldSnapshot),
		ReplicationLag:  r.replicationLag(l.Lag),
		LowStock:        r.lowStock(),
		EndpointFailing: r.endpointFailing(l.Failing),
	}

	conditions := make([]Condition, 0, len(byName))

	for _, name := range Names() {
		c := byName[name]
		c.Name = name
		conditions = append(conditions, c)
	}

	return conditions
}

func fine(sentence string) Condition { return Condition{Severity: OK, Sentence: sentence} }

func (r *Reading) schema() Condition {
	if r.Schema == "" {
		return fine("The schema fits this program.")
	}

	return Condition{Severity: Critical, Sentence: r.Schema}
}

func (r *Reading) noWorkers() Condition {
	var without []string

	for _, q := range r.Queues {
		if q.Workers == 0 {
			without = append(without, q.Queue)
		}
	}

	if len(without) == 0 {
		return fine("Each queue has a living worker.")
	}

	return Condition{
		Severity: Critical,
		Sentence: fmt.Sprintf("No living worker works %s: start one (orders work).", queues(without)),
	}
}

func (r *Reading) noLeader() Condition {
	if r.Leader {
		return fine("A worker is leader.")
	}

	return Condition{Severity: Critical, Sentence: "No worker is leader, so retries and periodic jobs do not become available."}
}

func (r *Reading) queuePaused(l Limit[time.Duration]) Condition {
	var (
		paused []string
		first  *time.Time
	)

	for _, q := range r.Queues {
		if q.Paused == nil {
			continue
		}

		paused = append(paused, q.Queue)

		if first == nil || q.Paused.Before(*first) {
			first = q.Paused
		}
	}

	if first == nil {
		return fine("No queue is paused.")
	}

	return Condition{
		Severity: l.severity(r.At.Sub(*first)), Since: first,
		Sentence: fmt.Sprintf("An operator has paused %s, for %s: `orders queues resume` ends that.", queues(paused), r.age(*first)),
	}
}

func (r *Reading) oldestWork(l Limit[time.Duration]) Condition {
	oldest, queue := r.At, ""

	for _, q := range r.Queues {
		if q.Waiting > 0 && q.Oldest.Before(oldest) {
			oldest, queue = q.Oldest, q.Queue
		}
	}

	switch waited := r.At.Sub(oldest); {
	case queue == "":
		return fine("No work waits.")
	case l.severity(waited) == OK:
		return fine(fmt.Sprintf("The oldest work has waited for %s, in queue %s.", r.age(oldest), queue))
	default:
		return Condition{
			Severity: l.severity(waited), Since: &oldest,
			Sentence: fmt.Sprintf("Work has waited for %s in queue %s.", r.age(oldest), queue),
		}
	}
}

// retryingWork tells of work that fails now. It becomes a dead letter only after its last attempt, minutes later.
func (r *Reading) retryingWork(l Limit[int64]) Condition {
	total := int64(0)
	each := make([]string, 0, len(r.Retrying))

	for _, queue := range slices.Sorted(maps.Keys(r.Retrying)) {
		total += r.Retrying[queue]
		each = append(each, fmt.Sprintf("%s %d", queue, r.Retrying[queue]))
	}

	if total == 0 {
		return fine("No order's work waits for another attempt.")
	}

	c := Condition{
		Severity: l.severity(total),
		Sentence: fmt.Sprintf("The work of %s waits for another attempt (%s)", count(total, "order", "orders"), strings.Join(each, ", ")),
	}

	if c.Severity != OK {
		c.Sentence += ", as the last one failed: `orders report failures` has the errors"
	}

	c.Sentence += "."

	return c
}

func (r *Reading) deadLetters(l Limit[int64]) Condition {
	switch severity := l.severity(r.Letters.Attention); {
	case r.Letters.Open == 0:
		return fine("There is no open dead letter.")
	case severity == OK:
		open := count(r.Letters.Open, "dead letter is", "dead letters are")

		return fine(fmt.Sprintf("%s open; %d of them need an operator.", open, r.Letters.Attention))
	default:
		return Condition{
			Severity: severity, Since: r.Letters.Since,
			Sentence: fmt.Sprintf("%s an operator, of %d that are open: `orders dead-letters groups` lists their causes.",
				count(r.Letters.Attention, "dead letter needs", "dead letters need"), r.Letters.Open),
		}
	}
}

func (r *Reading) auditFindings() Condition {
	if len(r.Findings) == 0 {
		return fine("The audit has no open finding.")
	}

	var (
		total int64
		each  []string
	)

	for _, invariant := range slices.Sorted(maps.Keys(r.Findings)) {
		total += r.Findings[invariant]
		each = append(each, fmt.Sprintf("%s %d", invariant, r.Findings[invariant]))
	}

	return Condition{
		Severity: Critical, Since: r.FirstFinding,
		Sentence: fmt.Sprintf("The data breaks invariants: %s (%s).",
			count(total, "open finding", "open findings"), strings.Join(each, ", ")),
	}
}

func (r *Reading) auditLate(l Limit[time.Duration]) Condition {
	if r.Audited == nil {
		return Condition{Severity: Warning, Sentence: "No audit has finished yet; workers audit every five minutes."}
	}

	severity := l.severity(r.At.Sub(*r.Audited))
	if severity == OK {
		return fine(fmt.Sprintf("The last audit finished %s ago.", r.age(*r.Audited)))
	}

	return Condition{
		Severity: severity, Since: r.Audited,
		Sentence: fmt.Sprintf("No audit has finished for %s; workers audit every five minutes.", r.age(*r.Audited)),
	}
}

func (r *Reading) sweepFailing(l Limit[int]) Condition {
	var (
		failing []string
		worst   = OK
		since   *time.Time
	)

	for _, name := range slices.Sorted(maps.Keys(r.Sweeps)) {
		s := r.Sweeps[name]

		severity := l.severity(s.Failures)
		if severity == OK {
			continue
		}

		failing = append(failing, fmt.Sprintf("%s (%s)", name, count(int64(s.Failures), "run", "runs")))

		if severity.Worse(worst) {
			worst, since = severity, s.FailedAt
		}
	}

	if worst == OK {
		return fine("No sweep fails.")
	}

	return Condition{
		Severity: worst, Since: since,
		Sentence: fmt.Sprintf("Sweeps have failed, in sequence: %s. Their errors are in the log of the workers.",
			strings.Join(failing, ", ")),
	}
}

func (r *Reading) oldSnapshot(l Limit[time.Duration]) Condition {
	if len(r.Snapshots) == 0 {
		return fine("No old snapshot keeps dead rows.")
	}

	// The holders that have a beginning come first here: their age is known.
	oldest := slices.MinFunc(r.Snapshots, func(a, b horizon.Holder) int {
		switch {
		case a.Since == nil || b.Since == nil:
			return cmp.Compare(b.Transactions, a.Transactions)
		default:
			return a.Since.Compare(*b.Since)
		}
	})

	severity, since := Warning, "for"
	if oldest.Since != nil && l.severity(r.At.Sub(*oldest.Since)) == Critical {
		severity = Critical
	}

	if oldest.Since != nil {
		since += " " + r.age(*oldest.Since) + " and"
	}

	who := oldest.Kind
	if oldest.PID != 0 {
		who += fmt.Sprintf(" of pid %d", oldest.PID)
	}

	return Condition{
		Severity: severity, Since: oldest.Since,
		Sentence: fmt.Sprintf("A snapshot keeps dead rows, %s %d transactions: %s, application %q. `orders report sessions` lists all.",
			since, oldest.Transactions, who, cmp.Or(oldest.Application, oldest.Name)),
	}
}

func (r *Reading) replicationLag(l Limit[time.Duration]) Condition {
	if len(r.Standbys) == 0 {
		return fine("No standby is connected, or this role may not see any: that takes pg_read_all_stats.")
	}

	worst := slices.MaxFunc(r.Standbys, func(a, b gauge.Standby) int { return cmp.Compare(a.Lag, b.Lag) })
	sentence := fmt.Sprintf("The standby %s lags %s behind.", worst.Name, worst.Lag.Round(time.Millisecond))

	return Condition{Severity: l.severity(worst.Lag), Sentence: sentence}
}

// age is for how long something has been so, in words.
// lowStock warns of products whose stock is below their thresholds. It names a few.
func (r *Reading) lowStock() Condition {
	const named = 5

	if len(r.LowStock) == 0 {
		return fine("No product is low on stock.")
	}

	low, more := r.LowStock, ""
	if len(low) > named {
		low, more = low[:named], ", …"
	}

	number := count(int64(len(r.LowStock)), "product is", "products are")
	if len(r.LowStock) > MostLow {
		number = fmt.Sprintf("More than %d products are", MostLow)
	}

	return Condition{
		Severity: Warning,
		Sentence: fmt.Sprintf("%s low on stock: %s%s. Order more.", number, strings.Join(low, ", "), more),
	}
}

func (r *Reading) age(since time.Time) string { return r.At.Sub(since).Round(time.Second).String() }

func queues(names []string) string {
	if len(names) == 1 {
		return "the queue " + names[0]
	}

	return "the queues " + strings.Join(names, ", ")
}

func count(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}

	return fmt.Sprintf("%d %s", n, many)
}
