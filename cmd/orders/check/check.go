// Package check has the command for cron and monitoring: is anything wrong?
package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/cmd/orders/output"
	"orders/cmd/orders/shell"
	"orders/db"
	"orders/db/condition"
	"orders/db/schema"
)

// Exit codes, by the convention of the plugins of Nagios.
const (
	exitWarning  shell.ExitCode = 1 //nolint:errname // these are exit codes
	exitCritical shell.ExitCode = 2 //nolint:errname // as above
	exitUnknown  shell.ExitCode = 3 //nolint:errname // as above
)

// readTimeout bounds the reading: a monitoring system waits for ten seconds by default.
const readTimeout = 8 * time.Second

// Cmd checks the conditions.
type Cmd struct {
	Format string           `default:"table" enum:"table,json" help:"Output format: table, a line for each condition, or json."`
	Skip   []condition.Name `placeholder:"NAME" help:"Conditions that are not checked, such as replication-lag."`

	PausedWarning    time.Duration `default:"1s" help:"Warn of a queue that has been paused for that long."`
	PausedCritical   time.Duration `default:"1h" help:"From then on the pause is critical."`
	WaitWarning      time.Duration `default:"30s" help:"Warn of work that has waited for that long."`
	WaitCritical     time.Duration `default:"5m" help:"From then on the wait is critical."`
	RetryingWarning  int64         `default:"10" help:"Warn of so many orders whose work waits for another attempt."`
	RetryingCritical int64         `default:"1000" help:"So many are critical."`
	LettersWarning   int64         `default:"1" help:"Warn of so many dead letters that need an operator."`
	LettersCritical  int64         `default:"100" help:"So many are critical."`
	AuditWarning     time.Duration `default:"15m" help:"Warn if no audit has finished for that long."`
	AuditCritical    time.Duration `default:"1h" help:"From then on it is critical."`
	SweepsWarning    int           `default:"1" help:"Warn of a sweep whose last so many runs have failed."`
	SweepsCritical   int           `default:"10" help:"So many are critical."`
	SnapshotCritical time.Duration `default:"1h" help:"The age from which an old snapshot is critical; it is a warning from one minute on."`
	LagWarning       time.Duration `default:"10s" help:"Warn of a standby that is so far behind."`
	LagCritical      time.Duration `default:"5m" help:"So far behind is critical."`
	FailingWarning   time.Duration `default:"5m" help:"Warn of an endpoint of events at which nothing has arrived for that long, or that is as far behind."`
	FailingCritical  time.Duration `default:"1h" help:"From then on it is critical."`
}

// Help is the text below the flags' list.
func (Cmd) Help() string {
	return "Exit codes, by the convention of Nagios: 0 all is well; 1 a warning; 2 something is critical; " +
		"3 unknown: the database could not be asked, or the command line is wrong. " +
		"The worst conditions come first. docs/operations.md has a runbook for each name."
}

// Limits are the limits of the flags.
func (c Cmd) Limits() condition.Limits {
	return condition.Limits{
		Paused:        condition.Limit[time.Duration]{Warning: c.PausedWarning, Critical: c.PausedCritical},
		OldestWork:    condition.Limit[time.Duration]{Warning: c.WaitWarning, Critical: c.WaitCritical},
		Retrying:      condition.Limit[int64]{Warning: c.RetryingWarning, Critical: c.RetryingCritical},
		DeadLetters:   condition.Limit[int64]{Warning: c.LettersWarning, Critical: c.LettersCritical},
		AuditLate:     condition.Limit[time.Duration]{Warning: c.AuditWarning, Critical: c.AuditCritical},
		SweepFailures: condition.Limit[int]{Warning: c.SweepsWarning, Critical: c.SweepsCritical},
		OldSnapshot:   condition.Limit[time.Duration]{Warning: time.Minute, Critical: c.SnapshotCritical},
		Lag:           condition.Limit[time.Duration]{Warning: c.LagWarning, Critical: c.LagCritical},
		Failing:       condition.Limit[time.Duration]{Warning: c.FailingWarning, Critical: c.FailingCritical},
	}
}

// Validate refuses names that no condition has.
func (c Cmd) Validate() error {
	for _, name := range c.Skip {
		if !slices.Contains(condition.Names(), name) {
			return fmt.Errorf("--skip: %q is not one of %s", name,
				strings.Join(shell.Each(condition.Names(), func(n condition.Name) string { return string(n) }), ", "))
		}
	}

	return nil
}

// Run prints the conditions. Its exit code is that of the worst.
func (c Cmd) Run(s *shell.Shell) error {
	ctx, cancel := context.WithTimeout(s.Ctx, readTimeout)
	defer cancel()

	conditions, err := c.conditions(ctx, s)
	if err != nil {
		fmt.Fprintf(s.Stdout, "UNKNOWN database: %s\n", output.Line(shell.Message(err)))

		return exitUnknown
	}

	if err := c.print(s, conditions); err != nil {
		return errors.Join(err, exitUnknown)
	}

	switch condition.Worst(conditions) {
	case condition.Critical:
		return exitCritical
	case condition.Warning:
		return exitWarning
	case condition.OK:
	}

	return nil
}

// conditions judges a reading. If the schema does not fit, that is the only condition.
func (c Cmd) conditions(ctx context.Context, s *shell.Shell) (conditions []condition.Condition, err error) {
	pool, err := s.Connect()
	if err != nil {
		return nil, err
	}
	defer pool.Close()

	if err := schema.Check(ctx, pool); err != nil {
		if ctx.Err() != nil || db.ConnectProblem(err) != "" {
			return nil, err
		}

		return []condition.Condition{{Name: condition.Schema, Severity: condition.Critical, Sentence: err.Error()}}, nil
	}

	reading, err := read(ctx, pool)
	if err != nil {
		return nil, err
	}

	conditions = slices.DeleteFunc(condition.Judge(reading, c.Limits()), func(o condition.Condition) bool {
		return slices.Contains(c.Skip, o.Name)
	})

	slices.SortStableFunc(conditions, func(a, b condition.Condition) int {
		switch {
		case a.Severity.Worse(b.Severity):
			return -1
		case b.Severity.Worse(a.Severity):
			return 1
		default:
			return 0
		}
	})

	return conditions, nil
}

func read(ctx context.Context, pool *pgxpool.Pool) (reading condition.Reading, err error) {
	err = db.Snapshot(ctx, pool, func(tx pgx.Tx) (err error) {
		reading, err = condition.Read(ctx, tx)

		return err
	})

	return reading, err
}

// labels are the severities as monitoring systems show them.
var labels = map[condition.Severity]string{condition.OK: "OK", condition.Warning: "WARN", condition.Critical: "CRIT"}

// A line is a condition in JSON.
type line struct {
	Condition condition.Name     `json:"condition"`
	Severity  condition.Severity `json:"severity"`
	Sentence  string             `json:"sentence"`
	Since     *time.Time         `json:"since"`
	Runbook   string             `json:"runbook"`
}

func (c Cmd) print(s *shell.Shell, conditions []condition.Condition) error {
	if c.Format == "json" {
		return s.PrintJSON(shell.Each(conditions, func(o condition.Condition) line {
			return line{Condition: o.Name, Severity: o.Severity, Sentence: o.Sentence, Since: o.Since, Runbook: o.Name.Runbook()}
		}))
	}

	for _, o := range conditions {
		if _, err := fmt.Fprintf(s.Stdout, "%s %s: %s\n", labels[o.Severity], o.Name, output.Line(o.Sentence)); err != nil {
			return fmt.Errorf("print conditions: %w", err)
		}
	}

	return nil
}
