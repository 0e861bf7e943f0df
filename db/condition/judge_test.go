package condition_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"orders/db/condition"
	"orders/db/delivery"
	"orders/db/gauge"
	"orders/db/horizon"
	"orders/db/jobqueue"
	"orders/db/progress"
)

var now = time.Date(2026, time.January, 5, 9, 30, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return now.Add(-d) }

// healthy is a reading in which nothing is wrong.
func healthy() condition.Reading {
	return condition.Reading{
		At:      now,
		Queues:  []jobqueue.Backlog{{Queue: "inventory", At: now, Workers: 2}, {Queue: "points", At: now, Workers: 1, Waiting: 3, Oldest: ago(2 * time.Second)}},
		Leader:  true,
		Audited: new(ago(4 * time.Minute)),
		Letters: condition.Letters{Open: 5},
		Sweeps:  map[string]progress.Sweep{"redrive": {Name: "redrive", RanAt: ago(time.Second)}},
		Endpoints: []delivery.Health{
			{Endpoint: delivery.Endpoint{Kind: delivery.Webhook}, Lag: time.Minute},
			{Endpoint: delivery.Endpoint{Kind: delivery.Webhook, DisabledAt: new(ago(time.Hour)), DisabledBy: new("alice"), DisabledReason: new("x")}},
			{Endpoint: delivery.Endpoint{Kind: delivery.Mail}, Lag: time.Hour},
		},
		Standbys: []gauge.Standby{
			{Name: "west", Lag: 20 * time.Millisecond},
		},
	}
}

func failing(since time.Duration, status int) delivery.Health {
	return delivery.Health{Endpoint: delivery.Endpoint{
		Kind: delivery.Webhook, URL: "https://shop.example:8443/hook?key=secret", FailingSince: new(ago(since)), FailingFor: since, LastStatus: status,
	}}
}

func TestNothingIsWrong(t *testing.T) {
	t.Parallel()

	conditions := condition.Judge(healthy(), condition.DefaultLimits())
	if len(conditions) != len(condition.Names()) || condition.Worst(conditions) != condition.OK {
		t.Errorf("%+v", conditions)
	}

	for i, c := range conditions {
		if c.Name != condition.Names()[i] || c.Severity != condition.OK || c.Since != nil || !strings.HasSuffix(c.Sentence, ".") {
			t.Errorf("%+v", c)
		}
	}
}

func TestEachConditionIsJudged(t *testing.T) {
	t.Parallel()

	for _, c := range []struct {
		name     condition.Name
		breaks   func(r *condition.Reading)
		severity condition.Severity
		since    time.Duration // ago; 0 for not known
		says     string
	}{
		{condition.Schema, func(r *condition.Reading) { r.Schema = "Run `orders migrate up`." }, condition.Critical, 0, "migrate up"},
		{condition.NoWorkers, func(r *condition.Reading) { r.Queues[1].Workers = 0 }, condition.Critical, 0, "the queue points: start one"},
		{condition.NoWorkers, func(r *condition.Reading) { r.Queues[0].Workers, r.Queues[1].Workers = 0, 0 }, condition.Critical, 0, "the queues inventory, points"},
		{condition.NoLeader, func(r *condition.Reading) { r.Leader = false }, condition.Critical, 0, "No worker is leader"},
		{condition.QueuePaused, func(r *condition.Reading) { r.Queues[0].Paused = new(ago(time.Minute)) }, condition.Warning, time.Minute, "the queue inventory, for 1m0s"},
		{condition.QueuePaused, func(r *condition.Reading) {
			r.Queues[0].Paused, r.Queues[1].Paused = new(ago(time.Minute)), new(ago(time.Hour))
		}, condition.Critical, time.Hour, "the queues inventory, points, for 1h0m0s"},
		{condition.OldestWork, func(r *condition.Reading) { r.Queues[1].Oldest = ago(30 * time.Second) }, condition.Warning, 30 * time.Second, "30s in queue points"},
		{condition.OldestWork, func(r *condition.Reading) { r.Queues[1].Oldest = ago(5 * time.Minute) }, condition.Critical, 5 * time.Minute, "5m0s in queue points"},
		{condition.DeadLetters, func(r *condition.Reading) {
			r.Letters = condition.Letters{Open: 7, Attention: 1, Since: new(ago(time.Hour))}
		}, condition.Warning, time.Hour, "1 dead letter needs an operator, of 7 that are open"},
		{condition.DeadLetters, func(r *condition.Reading) {
			r.Letters = condition.Letters{Open: 700, Attention: 100, Since: new(ago(time.Hour))}
		}, condition.Critical, time.Hour, "100 dead letters need"},
		{condition.AuditFindings, func(r *condition.Reading) {
			r.Findings, r.FirstFinding = map[string]int64{"stock-balance": 2, "payments": 1}, new(ago(time.Hour))
		}, condition.Critical, time.Hour, "3 open findings (payments 1, stock-balance 2)"},
		{condition.AuditLate, func(r *condition.Reading) { r.Audited = new(ago(15 * time.Minute)) }, condition.Warning, 15 * time.Minute, "for 15m0s"},
		{condition.AuditLate, func(r *condition.Reading) { r.Audited = new(ago(time.Hour)) }, condition.Critical, time.Hour, "for 1h0m0s"},
		{condition.AuditLate, func(r *condition.Reading) { r.Audited = nil }, condition.Warning, 0, "No audit has finished yet"},
		{condition.SweepFailing, func(r *condition.Reading) {
			r.Sweeps["redrive"] = progress.Sweep{Failures: 1, FailedAt: new(ago(time.Minute))}
		}, condition.Warning, time.Minute, "redrive (1 run)"},
		{condition.SweepFailing, func(r *condition.Reading) {
			r.Sweeps["redrive"] = progress.Sweep{Failures: 1, FailedAt: new(ago(time.Minute))}
			r.Sweeps["missing_jobs"] = progress.Sweep{Failures: 10, FailedAt: new(ago(time.Hour))}
		}, condition.Critical, time.Hour, "missing_jobs (10 runs), redrive (1 run)"},
		{condition.OldSnapshot, func(r *condition.Reading) {
			r.Snapshots = []horizon.Holder{
				{Kind: "replication slot", Name: "west", Transactions: 90_000},
				{Kind: "session", PID: 7, Application: "psql", Since: new(ago(2 * time.Minute)), Transactions: 5_000},
			}
		}, condition.Warning, 0, `for 90000 transactions: replication slot, application "west"`},
		{condition.OldSnapshot, func(r *condition.Reading) {
			r.Snapshots = []horizon.Holder{{Kind: "session", PID: 7, Application: "psql", Since: new(ago(time.Hour)), Transactions: 5_000}}
		}, condition.Critical, time.Hour, `for 1h0m0s and 5000 transactions: session of pid 7, application "psql"`},
		{condition.ReplicationLag, func(r *condition.Reading) {
			r.Standbys = append(r.Standbys, gauge.Standby{Name: "east", Lag: 10 * time.Second})
		}, condition.Warning, 0, "The standby east lags 10s behind."},
		{condition.RetryingWork, func(r *condition.Reading) { r.Retrying = map[string]int64{"points": 9} }, condition.OK, 0, "The work of 9 orders waits for another attempt (points 9)."},
		{condition.RetryingWork, func(r *condition.Reading) { r.Retrying = map[string]int64{"points": 9, "inventory": 1} }, condition.Warning, 0, "The work of 10 orders waits for another attempt (inventory 1, points 9), as the last one failed: `orders report"},
		{condition.RetryingWork, func(r *condition.Reading) { r.Retrying = map[string]int64{"points": 1000} }, condition.Critical, 0, "orders report failures"},
		{condition.LowStock, func(r *condition.Reading) { r.LowStock = []string{"tea"} }, condition.Warning, 0, "1 product is low on stock: tea. Order more."},
		{condition.LowStock, func(r *condition.Reading) { r.LowStock = slices.Repeat([]string{"tea"}, 101) }, condition.Warning, 0, "More than 100 products are low on stock: tea, tea, tea, tea, tea, …."},
		{condition.EndpointFailing, func(r *condition.Reading) {
			r.Endpoints = append(r.Endpoints, failing(5*time.Minute, 503))
		}, condition.Warning, 5 * time.Minute, "webhook 00000000-0000-0000-0000-000000000000 (shop.example:8443) has failed for 5m0s, last with status 503. "},
		{condition.EndpointFailing, func(r *condition.Reading) {
			r.Endpoints = append(r.Endpoints, failing(5*time.Minute, 503), failing(time.Hour, 0))
		}, condition.Critical, time.Hour, "has failed for 1h0m0s, without an answer; webhook"},
		{condition.EndpointFailing, func(r *condition.Reading) { r.Endpoints[0].Lag = 6 * time.Minute }, condition.Warning, 6 * time.Minute, "is 6m0s behind"},
		{condition.EndpointFailing, func(r *condition.Reading) { r.Endpoints[1].DisabledBy = nil }, condition.Warning, time.Hour, "is disabled, without an answer: x."},
		{condition.EndpointFailing, func(r *condition.Reading) {
			r.Endpoints = slices.Repeat([]delivery.Health{failing(time.Hour, 500)}, 5)
		}, condition.Critical, time.Hour, "; and 2 more. "},
		{condition.ReplicationLag, func(r *condition.Reading) { r.Standbys[0].Lag = time.Hour }, condition.Critical, 0, "west lags 1h0m0s"},
	} {
		reading := healthy()
		c.breaks(&reading)

		for _, got := range condition.Judge(reading, condition.DefaultLimits()) {
			switch {
			case got.Name != c.name:
				if got.Severity != condition.OK {
					t.Errorf("%s is broken, and %+v", c.name, got)
				}
			case strings.Contains(got.Sentence, "secret"):
				t.Errorf("a part of a URL: %s", got.Sentence)
			case got.Severity != c.severity || !strings.Contains(got.Sentence, c.says):
				t.Errorf("got %+v; want %s, which says %q", got, c.severity, c.says)
			case c.since == 0 != (got.Since == nil) || got.Since != nil && !got.Since.Equal(ago(c.since)):
				t.Errorf("%s since %v, want %s ago", got.Name, got.Since, c.since)
			}
		}
	}
}

func TestWorse(t *testing.T) {
	t.Parallel()

	if !condition.Critical.Worse(condition.Warning) || !condition.Warning.Worse(condition.OK) || condition.OK.Worse(condition.OK) {
		t.Error("severities are not in order")
	}
}
