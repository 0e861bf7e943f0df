// Package condition judges whether the system works as it should: one condition for each
// thing that may want a person. `orders check` prints the conditions, and the alert webhook
// posts when they begin and end.
package condition

import (
	"slices"
	"time"
)

// A Severity is how bad a condition is.
type Severity string

// The severities, with the words of the plugins of Nagios.
const (
	OK       Severity = "ok"
	Warning  Severity = "warning"
	Critical Severity = "critical"
)

// Severities lists the severities, the mildest first.
func Severities() []Severity { return []Severity{OK, Warning, Critical} }

// Worse tells whether s is worse than other.
func (s Severity) Worse(other Severity) bool {
	return slices.Index(Severities(), s) > slices.Index(Severities(), other)
}

// A Name names a condition. It is also the anchor of its runbook in docs/operations.md.
type Name string

// The conditions.
const (
	NoWorkers       Name = "no-workers"
	NoLeader        Name = "no-leader"
	QueuePaused     Name = "queue-paused"
	OldestWork      Name = "oldest-work"
	RetryingWork    Name = "retrying-work"
	DeadLetters     Name = "dead-letters"
	AuditFindings   Name = "audit-findings"
	AuditLate       Name = "audit-late"
	SweepFailing    Name = "sweep-failing"
	OldSnapshot     Name = "old-snapshot"
	ReplicationLag  Name = "replication-lag"
	LowStock        Name = "low-stock"
	EndpointFailing Name = "endpoint-failing"
	Schema          Name = "schema"
)

// Names lists the conditions in the order in which they are shown.
func Names() []Name {
	return []Name{
		Schema, NoWorkers, NoLeader, QueuePaused, OldestWork, RetryingWork, DeadLetters, AuditFindings, AuditLate, SweepFailing,
		OldSnapshot, ReplicationLag, LowStock, EndpointFailing,
	}
}

// Runbook is where the documents say what to do.
func (n Name) Runbook() string { return "docs/operations.md#" + string(n) }

// A Condition is the state of one thing.
type Condition struct {
	Name     Name
	Severity Severity
	Sentence string
	Since    *time.Time // since when it is not OK; nil if that is not known
}

// Worst is the worst severity of the conditions.
func Worst(conditions []Condition) Severity {
	worst := OK

	for _, c := range conditions {
		if c.Severity.Worse(worst) {
			worst = c.Severity
		}
	}

	return worst
}

// A Limit is from which value on a condition is a warning, and from which on it is critical.
type Limit[T int | int64 | time.Duration] struct {
	Warning  T
	Critical T
}

func (l Limit[T]) severity(value T) Severity {
	switch {
	case value >= l.Critical:
		return Critical
	case value >= l.Warning:
		return Warning
	default:
		return OK
	}
}

// Limits are the limits of the conditions that have a measure. The others are critical when
// they hold.
type Limits struct {
	Paused        Limit[time.Duration] // of a queue
	OldestWork    Limit[time.Duration] // in a queue
	Retrying      Limit[int64]         // orders whose jobs wait for another attempt
	DeadLetters   Limit[int64]         // that need an operator
	AuditLate     Limit[time.Duration] // since the last audit has finished
	SweepFailures Limit[int]           // in sequence
	OldSnapshot   Limit[time.Duration] // age of its transaction
	Lag           Limit[time.Duration] // of a standby
	Failing       Limit[time.Duration] // of an endpoint of deliveries, and how far it is behind
}

// DefaultLimits are the limits if nobody has chosen others.
func DefaultLimits() Limits {
	return Limits{
		Paused:        Limit[time.Duration]{time.Second, time.Hour},
		OldestWork:    Limit[time.Duration]{30 * time.Second, 5 * time.Minute},
		Retrying:      Limit[int64]{10, 1_000},
		DeadLetters:   Limit[int64]{1, 100},
		AuditLate:     Limit[time.Duration]{15 * time.Minute, time.Hour}, // the periodic audit runs every 5 minutes
		SweepFailures: Limit[int]{1, 10},
		OldSnapshot:   Limit[time.Duration]{time.Minute, time.Hour},
		Lag:           Limit[time.Duration]{10 * time.Second, 5 * time.Minute},
		Failing:       Limit[time.Duration]{5 * time.Minute, time.Hour},
	}
}
