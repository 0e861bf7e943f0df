package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"orders/api"
	"orders/order"
	"orders/order/explain"
)

type whyBody struct {
	OrderID uuid.UUID    `json:"order_id"`
	Status  order.Status `json:"status"`

	api.Reason

	Reasons  []api.Reason `json:"reasons"`
	Warnings []string     `json:"warnings"`
}

func (b *bundle) why(t *testing.T, id uuid.UUID) whyBody {
	t.Helper()

	body := as[whyBody](t, b.ask(t, "GET", "/orders/"+id.String()+"/why", ""), 200)
	if body.OrderID != id || body.Text == "" || strings.Contains(body.Text, "secret") {
		t.Errorf("answer %+v", body)
	}

	return body
}

// What each reason is told by is for package order; this is what the database tells it.
func TestWhy(t *testing.T) {
	t.Parallel()

	const (
		worker   = `INSERT INTO workers (id, host, pid, version, queues, sessions) VALUES ('host_1', 'host', 1, 'test', '{"inventory":5,"points":5,"notification":5,"maintenance":2}', '')`
		leader   = `INSERT INTO river_leader (leader_id, elected_at, expires_at) VALUES ('host_1', now(), now() + interval '1 min')`
		settle   = `UPDATE river_job SET state = 'completed', finalized_at = now() WHERE kind <> 'points'`
		ledgers  = `INSERT INTO notifications (order_id, template, user_id, body) SELECT id, 'created', user_id, 'x' FROM orders`
		confirm  = `WITH o AS (UPDATE orders SET status = 'confirmed' RETURNING id) INSERT INTO stock_movements (order_id, sku, kind, quantity) SELECT id, 'tea', 'deduct', 2 FROM o`
		points   = ` WHERE kind = 'points'`
		attempts = `attempt = 3, attempted_at = now(), attempted_by = '{host_0,host_1}', errors = '{"{\"attempt\":3,\"error\":\"secret\"}"}', ` +
			`metadata = jsonb_set(metadata, '{orders:failures}', '{"3":{"code":"unavailable","class":"transient"}}')`
	)

	for name, c := range map[string]struct {
		sql  []string // beside those that leave the points to be done
		code explain.Code
		text string
		link bool
	}{
		"next":      {[]string{worker}, explain.Queued, "the points job is the next to run", false},
		"two ahead": {[]string{worker, `INSERT INTO river_job (kind, queue, max_attempts, args, scheduled_at) SELECT 'points', 'points', 1, '{"order_id": "x"}', now() - interval '1 h' FROM generate_series(1, 2)`}, explain.Queued, "2 orders are ahead", false},
		"shared ahead": {[]string{worker, `INSERT INTO river_job (kind, queue, max_attempts, args, metadata, scheduled_at) VALUES
			('points_batch', 'points', 1, '{}', '{"orders:count": 256}', now() - interval '2 h'), ('points_batch', 'points', 1, '{"order_ids": ["x", "y"]}', '{}', now() - interval '1 h')`}, explain.Queued, "258 orders are ahead", false},
		"very many":    {[]string{worker, `INSERT INTO river_job (kind, queue, max_attempts, args, scheduled_at) SELECT 'points', 'points', 1, '{"order_id": "x"}', now() - interval '1 h' FROM generate_series(1, 10001)`}, explain.Queued, "more than 10000 orders", false},
		"no worker":    {nil, explain.NoWorker, "No worker is alive", false},
		"silent one":   {[]string{worker, `UPDATE workers SET seen_at = now() - interval '1 min'`}, explain.NoWorker, "No worker is alive", false},
		"dead one":     {[]string{worker, `UPDATE workers SET ended_at = now()`}, explain.NoWorker, "No worker is alive", false},
		"other queues": {[]string{worker, `UPDATE workers SET queues = queues - 'points'`}, explain.NoWorker, "points job", false},
		"paused":       {[]string{worker, `INSERT INTO river_queue (name, paused_at, updated_at) VALUES ('points', now(), now())`}, explain.QueuePaused, "paused since", false},
		"other paused": {[]string{worker, `INSERT INTO river_queue (name, paused_at, updated_at) VALUES ('inventory', now(), now()), ('points', NULL, now())`}, explain.Queued, "next", false},
		"retry":        {[]string{worker, leader, `UPDATE river_job SET state = 'retryable', ` + attempts + points}, explain.AwaitingRetry, "has failed 1 time (the database could not be reached", false},
		"no leader":    {[]string{worker, `UPDATE river_job SET state = 'retryable', ` + attempts + points}, explain.NoLeader, "no worker is leader", false},
		"leader gone":  {[]string{worker, leader, `UPDATE river_leader SET expires_at = now() - interval '1 s'`, `UPDATE river_job SET state = 'retryable'` + points}, explain.NoLeader, "no worker is leader", false},
		"running":      {[]string{worker, `UPDATE river_job SET state = 'running', ` + attempts + points}, explain.Retrying, "running again on worker host_1 since", false},
		"runs":         {[]string{worker, `UPDATE river_job SET state = 'running', attempt = 1, attempted_at = now(), attempted_by = '{host_1}'` + points}, explain.Running, "running on worker host_1 since", false},
		"worker gone":  {[]string{`UPDATE river_job SET state = 'running', ` + attempts + points}, explain.WorkerDead, "worker host_1 died", false},
		"dead":         {[]string{worker, leader, `UPDATE river_job SET state = 'discarded', finalized_at = now(), ` + attempts + points}, explain.DeadLetter, "it is redriven at", true},
		"dead for long": {
			[]string{`UPDATE river_job SET state = 'discarded', finalized_at = now(), ` + attempts + points, `DELETE FROM river_job`, `UPDATE dead_letters SET attention_at = now()`},
			explain.DeadLetter, "an operator must decide", true,
		},
		"put away":  {[]string{`UPDATE river_job SET state = 'discarded', finalized_at = now()` + points, `UPDATE dead_letters SET resolved_at = now(), resolution = 'dismissed'`}, explain.GivenUp, "given up", false},
		"no job":    {[]string{worker, `DELETE FROM river_job` + points}, explain.JobMissing, "has no job", false},
		"settled":   {[]string{`INSERT INTO points_entries (order_id, kind, user_id, points) SELECT id, 'earn', user_id, 10 FROM orders`}, explain.Settled, "all its work is done", false},
		"cancelled": {[]string{`UPDATE orders SET status = 'cancelled', status_reason = 'by mistake'`}, explain.Final, "cancelled (by mistake)", false},
		"held":      {[]string{`UPDATE orders SET status = 'awaiting_payment', hold_until = now() + interval '1 h'`, `DELETE FROM river_job` + points}, explain.AwaitingPayment, "waits for its payment until", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t, func(o *api.Options) { o.RedriveAfter = []time.Duration{time.Minute} })
			b.stock(t, "tea", 100, 10)
			id := b.place(t, "u-1", "tea", 2).ID

			for _, sql := range append([]string{settle, ledgers, confirm}, c.sql...) {
				b.exec(t, sql)
			}

			got := b.why(t, id)
			if got.Code != c.code || !strings.Contains(got.Text, c.text) || strings.HasPrefix(got.Link, "/dead-letters/") != c.link {
				t.Errorf("%s %q %q, want %s %q", got.Code, got.Text, got.Link, c.code, c.text)
			}
		})
	}
}

func TestWhyOfANewOrderHasAReasonForEachStep(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stock(t, "tea", 100, 10)

	got := b.why(t, b.place(t, "u-1", "tea", 2).ID)
	if len(got.Reasons) != 3 || got.Step != "inventory" || got.Status != order.Pending {
		t.Errorf("answer %+v", got)
	}

	wantProblem(t, b.ask(t, "GET", "/orders/"+uuid.NewString()+"/why", ""), 404, order.NotFound)
}
