package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.yaml.in/yaml/v4"

	"orders/api"
	"orders/api/admission"
	"orders/cmd/orders/settings"
	"orders/db"
	"orders/db/audit"
	"orders/db/catalogue"
	"orders/db/dbtest"
	"orders/db/groupcommit"
	"orders/db/report"
	"orders/db/timeline"
	"orders/jobs"
	"orders/order"
	"orders/order/explain"
	"orders/order/flow"
	"orders/order/ordertest"
	"orders/order/repair"
)

// A step is declared once, and everything that lists steps follows. This test takes
// a declared step's ledger row away and asks everything that ought to notice.
func TestConformance(t *testing.T) {
	t.Parallel()

	for _, spec := range flow.Specs() {
		for _, shape := range []shape{{}, {held: true}, {shared: true}, {held: true, shared: true}} {
			t.Run(fmt.Sprintf("%s/held=%t/shared=%t", spec.Name, shape.held, shape.shared), func(t *testing.T) {
				t.Parallel()

				c := newConformance(t, spec)
				id := c.settled(shape)

				c.holds(id)
				c.takeAway(id)
				c.misses(id, shape)
				c.repaired(id)
			})
		}

		t.Run(string(spec.Name)+"/ended", func(t *testing.T) {
			t.Parallel()

			newConformance(t, spec).netsToZero()
		})

		t.Run(string(spec.Name)+"/listed", func(t *testing.T) {
			t.Parallel()

			listed(t, spec)
		})

		t.Run(string(spec.Name)+"/admission", func(t *testing.T) {
			t.Parallel()

			newConformance(t, spec).isAdmittedBy()
		})
	}
}

// A shape is how the order under test is placed.
type shape struct {
	held   bool // it waits for its payment
	shared bool // it shares its jobs with two orders, which are not held
}

type conformance struct {
	t     *testing.T
	pool  *pgxpool.Pool
	queue *flow.Queue
	spec  flow.Spec
}

func newConformance(t *testing.T, spec flow.Spec) *conformance {
	t.Helper()

	pool := dbtest.Pool(t)

	queue, err := jobs.NewClient(pool, nil, jobs.Defaults())
	if err != nil {
		t.Fatal(err)
	}

	c := &conformance{t: t, pool: pool, queue: queue, spec: spec}

	// A step that was declared later is not due for the orders of before; those of the test are an hour old.
	if _, err := pool.Exec(t.Context(), `UPDATE steps SET since = since - interval '1 day'`); err != nil {
		t.Fatal(err)
	}

	c.inTx(func(tx pgx.Tx) error {
		tea := order.Product{SKU: "tea", Name: "Tea", Price: 100, Currency: "EUR", Available: 100}

		return catalogue.Add(t.Context(), tx, tea, "first")
	})

	return c
}

func (c *conformance) inTx(do func(tx pgx.Tx) error) {
	c.t.Helper()

	if err := db.InTx(c.t.Context(), c.pool, do); err != nil {
		c.t.Fatal(err)
	}
}

// batch runs a batch in a transaction of its own and returns the first item's result.
func batch[In, Out any](c *conformance, do groupcommit.Batch[In, Out], items ...In) (out Out) {
	c.t.Helper()
	c.inTx(func(tx pgx.Tx) error {
		results, err := do(c.t.Context(), tx, items)
		if err != nil {
			return err
		}

		out = results[0].Value

		return results[0].Err
	})

	return out
}

// place places an order of an hour ago, so that no scan leaves it for later.
func (c *conformance) place(s shape) uuid.UUID {
	c.t.Helper()

	draft := order.Draft{UserID: "u-1", Lines: []order.DraftLine{{SKU: "tea", Quantity: 2}}}
	placements := []flow.Placement{{OrderID: hourAgo(), Draft: draft}}

	if s.held {
		placements[0].Draft.Hold = time.Hour
	}

	if s.shared {
		placements = append(placements, flow.Placement{OrderID: hourAgo(), Draft: draft}, flow.Placement{OrderID: hourAgo(), Draft: draft})
	}

	return batch(c, flow.Place(c.queue), placements...).Order.ID
}

// hourAgo is a UUIDv7 of an hour ago.
func hourAgo() uuid.UUID {
	id := uuid.Must(uuid.NewV7())
	ms := time.Now().Add(-time.Hour).UnixMilli()

	for i := range 6 {
		id[i] = byte(ms >> (8 * (5 - i)))
	}

	return id
}

// work does the jobs of all steps, until none is left.
func (c *conformance) work() {
	c.t.Helper()

	for {
		rows, err := c.pool.Query(c.t.Context(), `
			DELETE FROM river_job
			WHERE kind <> 'expire'
			RETURNING kind, coalesce(args -> 'order_ids', jsonb_build_array(args -> 'order_id'))`)
		if err != nil {
			c.t.Fatal(err)
		}

		type job struct {
			Kind   string
			Orders []uuid.UUID
		}

		waiting, err := pgx.CollectRows(rows, pgx.RowToStructByPos[job])
		if err != nil {
			c.t.Fatal(err)
		}

		if len(waiting) == 0 {
			return
		}

		for _, j := range waiting {
			for _, spec := range flow.Specs() {
				if step, _ := jobs.StepOf(j.Kind); step.Name == spec.Name {
					c.apply(spec, j.Orders...)
				}
			}
		}
	}
}

func (c *conformance) apply(spec flow.Spec, ids ...uuid.UUID) {
	c.t.Helper()
	c.inTx(func(tx pgx.Tx) error {
		results, err := spec.Apply(c.t.Context(), tx, c.queue, ids)
		if err != nil {
			return err
		}

		return results[0].Err
	})
}

// settled is a confirmed order whose steps are all done.
func (c *conformance) settled(s shape) uuid.UUID {
	c.t.Helper()

	id := c.place(s)
	c.work()

	if s.held {
		batch(c, flow.Pay(c.queue), flow.Payment{OrderID: id, Payment: order.Payment{Reference: "pay-1"}})
		c.work()
	}

	return id
}

func (c *conformance) read(id uuid.UUID) (order.Order, order.StepProgress) {
	c.t.Helper()

	o, err := db.Order(c.t.Context(), c.pool, id)
	if err != nil {
		c.t.Fatal(err)
	}

	for _, s := range o.Steps {
		if s.Name == c.spec.Name {
			return o, s
		}
	}

	c.t.Fatalf("reading the order does not show step %s", c.spec.Name)

	return o, order.StepProgress{}
}

func (c *conformance) why(id uuid.UUID) (answer explain.Answer) {
	c.t.Helper()
	c.inTx(func(tx pgx.Tx) (err error) {
		_, answer, err = explain.Why(c.t.Context(), tx, id, nil)

		return err
	})

	return answer
}

// violations are those of a full audit that name the order.
func (c *conformance) violations(id uuid.UUID) (found []audit.Violation) {
	c.t.Helper()

	all, err := ordertest.CheckAll(c.t.Context(), c.pool, 0)
	if err != nil {
		c.t.Fatal(err)
	}

	for _, v := range all {
		if v.Subject == id.String() {
			found = append(found, v)
		}
	}

	return found
}

// increment is an incremental audit from the beginning.
func (c *conformance) increment(id uuid.UUID) (found []audit.Violation) {
	c.t.Helper()
	c.inTx(func(tx pgx.Tx) error {
		if _, err := tx.Exec(c.t.Context(), `DELETE FROM watermarks`); err != nil {
			return err
		}

		increment, err := audit.Next(c.t.Context(), tx, audit.Options{Again: true})

		for _, v := range increment.Violations {
			if v.Subject == id.String() {
				found = append(found, v)
			}
		}

		return err
	})

	return found
}

func namesStep(violations []audit.Violation, step order.StepName) bool {
	return slices.ContainsFunc(violations, func(v audit.Violation) bool {
		return v.Invariant == "open-steps" && strings.Contains(v.Detail, string(step))
	})
}

// entries are the timeline's of the step.
func (c *conformance) entries(id uuid.UUID) (n int) {
	c.t.Helper()

	all, err := explain.Timeline(c.t.Context(), c.pool, id, 100)
	if err != nil {
		c.t.Fatal(err)
	}

	for _, e := range all {
		if e.Type == timeline.Step && e.Step == c.spec.Name {
			n++
		}
	}

	return n
}

// reported is a column of the step's row of a report.
func (c *conformance) reported(name, column string) int64 {
	c.t.Helper()

	table, err := report.Run(c.t.Context(), c.pool, name, report.Query{Args: map[string]string{"since": "now-2h"}})
	if err != nil {
		c.t.Fatal(err)
	}

	for _, row := range table.Rows {
		if row[0] == string(c.spec.Name) {
			return row[slices.Index(table.Columns, column)].(int64)
		}
	}

	c.t.Fatalf("report %s has no row of step %s", name, c.spec.Name)

	return 0
}

// redrive is what would become of a redrive of the step's dead job.
func (c *conformance) redrive(id uuid.UUID) (outcome repair.Outcome) {
	c.t.Helper()
	c.inTx(func(tx pgx.Tx) error {
		inserted, err := c.queue.InsertTx(c.t.Context(), tx, jobs.Step(c.spec.Step, id), nil)
		if err != nil {
			return err
		}

		if _, err := tx.Exec(c.t.Context(), `
			UPDATE river_job
			SET state = 'discarded', finalized_at = now()
			WHERE id = $1`, inserted.Job.ID); err != nil {
			return err
		}

		results, err := repair.Redrive(c.t.Context(), tx, c.queue, []repair.RedriveRequest{{JobID: inserted.Job.ID}}, true)
		if err != nil {
			return err
		}

		outcome = results[0].Outcome

		_, err = tx.Exec(c.t.Context(), `DELETE FROM dead_letters`)

		return err
	})

	return outcome
}

// holds is what everything says of an order whose step is done.
func (c *conformance) holds(id uuid.UUID) {
	c.t.Helper()

	o, step := c.read(id)
	if step.State != order.Done || !o.Settled() {
		c.t.Errorf("the step is %s, the order settled: %t", step.State, o.Settled())
	}

	if answer := c.why(id); answer.Code != explain.Settled {
		c.t.Errorf("why: %s, %s", answer.Code, answer.Text)
	}

	if found := c.violations(id); len(found) > 0 {
		c.t.Errorf("full audit: %v", found)
	}

	if found := c.increment(id); len(found) > 0 {
		c.t.Errorf("incremental audit: %v", found)
	}

	if n := c.entries(id); n != 1 {
		c.t.Errorf("the timeline has %d entries of the step", n)
	}

	if n := c.reported("undone-steps", "undone"); n != 0 {
		c.t.Errorf("report undone-steps: %d", n)
	}

	if outcome := c.redrive(id); outcome != repair.AlreadyApplied {
		c.t.Errorf("a redrive of the step: %s", outcome)
	}
}

// takeAway deletes the step's rows of its ledgers.
func (c *conformance) takeAway(id uuid.UUID) {
	c.t.Helper()

	rows, err := c.pool.Query(c.t.Context(), `
		SELECT DISTINCT ledger
		FROM step_effects
		WHERE order_id = $1
			AND step = $2`, id, c.spec.Name)
	if err != nil {
		c.t.Fatal(err)
	}

	ledgers, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		c.t.Fatal(err)
	}

	if len(ledgers) != 1 {
		c.t.Fatalf("step_effects has the step in ledgers %v", ledgers)
	}

	tag, err := c.pool.Exec(c.t.Context(), `DELETE FROM `+pgx.Identifier{ledgers[0]}.Sanitize()+` WHERE order_id = $1`, id)
	if err != nil || tag.RowsAffected() == 0 {
		c.t.Fatalf("delete from %s: %d rows, %v", ledgers[0], tag.RowsAffected(), err)
	}
}

// misses is what everything must say now.
func (c *conformance) misses(id uuid.UUID, s shape) {
	c.t.Helper()

	o, step := c.read(id)
	if step.State != order.Waiting || o.Settled() {
		c.t.Errorf("reading does not notice: the step is %s, the order settled: %t", step.State, o.Settled())
	}

	if answer := c.why(id); answer.Code != explain.JobMissing || answer.Step != c.spec.Name {
		c.t.Errorf("why does not notice: %s of step %q", answer.Code, answer.Step)
	}

	if !namesStep(c.violations(id), c.spec.Name) {
		c.t.Error("the full audit does not notice")
	}

	if !namesStep(c.increment(id), c.spec.Name) {
		c.t.Error("the incremental audit does not notice")
	}

	if n := c.entries(id); n != 0 {
		c.t.Errorf("the timeline still has %d entries of the step", n)
	}

	if n := c.reported("undone-steps", "open"); n != 1 {
		c.t.Errorf("report undone-steps does not notice: %d", n)
	}

	if !s.held { // that report is not about held orders, which wait for their payment
		if n := c.reported("settle-times", "waiting"); n != 1 {
			c.t.Errorf("report settle-times does not notice: %d", n)
		}
	}

	if outcome := c.redrive(id); outcome != repair.Eligible {
		c.t.Errorf("redrive does not notice: %s", outcome)
	}
}

// repaired lets the sweep look: it must enqueue the step's job, which mends it.
func (c *conformance) repaired(id uuid.UUID) {
	c.t.Helper()
	c.inTx(func(tx pgx.Tx) error {
		n, _, err := repair.MissingJobs(c.t.Context(), tx, c.queue, 10)
		if err == nil && n != 1 {
			c.t.Errorf("the sweep enqueued %d jobs", n)
		}

		return err
	})

	var kind, queue string

	err := c.pool.QueryRow(c.t.Context(), `
		SELECT kind, queue
		FROM live_jobs
		WHERE unique_key = job_key($1, $2, $3)`, c.spec.Name, id, c.spec.Template).Scan(&kind, &queue)
	if err != nil || kind != string(c.spec.Name) || !slices.Contains(jobs.StepQueues(), queue) {
		c.t.Fatalf("the sweep enqueued %q on %q: %v", kind, queue, err)
	}

	if answer := c.why(id); answer.Code == explain.JobMissing || answer.Step != c.spec.Name {
		c.t.Errorf("why does not see the job: %s of step %q", answer.Code, answer.Step)
	}

	c.work()

	if _, step := c.read(id); step.State != order.Done {
		c.t.Errorf("the step is %s after the repair", step.State)
	}

	if namesStep(c.violations(id), c.spec.Name) {
		c.t.Error("the audit still finds the step open")
	}
}

// netsToZero ends orders before and after the step, which then runs late, twice.
func (c *conformance) netsToZero() {
	c.t.Helper()

	before, after := c.place(shape{shared: true}), c.settled(shape{}) // which does the steps of both
	late := c.place(shape{shared: true})

	for _, id := range []uuid.UUID{before, after, late} {
		batch(c, flow.Cancel, flow.Cancellation{OrderID: id, Reason: "test"})
		c.apply(c.spec, id)
		c.apply(c.spec, id)

		o, step := c.read(id)

		want := order.Skipped
		if !c.spec.Reversible {
			want = order.Done // a message that was sent stays sent
		}

		if o.Status != order.Cancelled || step.State != want {
			c.t.Errorf("the order is %s, its step %s, want %s", o.Status, step.State, want)
		}
	}

	found, err := ordertest.CheckAll(c.t.Context(), c.pool, 0)
	if err != nil || len(found) > 0 {
		c.t.Errorf("full audit: %v, %v", found, err)
	}
}

// listed is where the step must be without anything being done for it.
func listed(t *testing.T, spec flow.Spec) {
	t.Helper()

	policy := jobs.PolicyOf(string(spec.Name))
	if policy.Queue == "" || policy.Does == "" || !jobs.Redrivable(policy.Kind) {
		t.Errorf("its job has the policy %+v", policy)
	}

	var worked settings.Concurrency
	if err := worked.UnmarshalText(nil); err != nil || worked.Worked()[policy.Queue] < 1 {
		t.Errorf("`orders work` works %v by default: %v", worked.Worked(), err)
	}

	document, err := api.OpenAPI("1")
	if err != nil {
		t.Fatal(err)
	}

	if names := stepNames(t, document); !slices.Contains(names, string(spec.Name)) {
		t.Errorf("the API's document lists the steps %v", names)
	}
}

// isAdmittedBy lets work of the step come faster than it is done: the admission controller must
// refuse new orders.
func (c *conformance) isAdmittedBy() {
	c.t.Helper()
	c.exec(`INSERT INTO workers (id, host, pid, version, queues, sessions, seen_at)
		VALUES ('w', '', 1, '', jsonb_build_object($1::text, 1), '', now() + interval '1 hour')`, c.spec.Name)

	const come = `
		INSERT INTO river_job (queue, kind, args, max_attempts, created_at, scheduled_at)
		SELECT $1::text, $1::text, '{"order_id": "x"}', 1, at, at
		FROM generate_series(1, $2::int) AS n, LATERAL (SELECT now() - ($2::int - n) * interval '1 ms') AS t (at)`

	c.exec(come, c.spec.Name, 20_000)

	log := slog.New(slog.DiscardHandler)
	controller := admission.NewController(admission.Options{Pool: c.pool, Log: log, MaxWait: time.Second})

	go controller.Run(c.t.Context())

	handler := api.New(api.Options{
		Pool: c.pool, Log: log, Admission: controller,
		Place: func(context.Context, flow.Placement) (flow.Placed, error) { return flow.Placed{}, nil },
	})

	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		c.exec(come, c.spec.Name, 5)
		c.exec(`DELETE FROM river_job WHERE id = (SELECT id FROM river_job WHERE queue = $1 ORDER BY scheduled_at LIMIT 1)`, c.spec.Name)

		response := httptest.NewRecorder()
		body := strings.NewReader(`{"user_id":"u-1","lines":[{"sku":"tea","quantity":1}]}`)
		request := httptest.NewRequestWithContext(c.t.Context(), http.MethodPost, "/orders", body)
		request.Host = "localhost"
		handler.ServeHTTP(response, request)

		if response.Code == http.StatusServiceUnavailable {
			return
		}

		if time.Now().After(deadline) {
			c.t.Fatalf("an order is answered %d %s", response.Code, response.Body)
		}
	}
}

func (c *conformance) exec(sql string, args ...any) {
	c.t.Helper()

	if _, err := c.pool.Exec(c.t.Context(), sql, args...); err != nil {
		c.t.Fatal(err)
	}
}

// stepNames are the values of the component StepName.
func stepNames(t *testing.T, document []byte) []string {
	t.Helper()

	var parsed struct {
		Components struct {
			Schemas map[string]struct {
				Enum []string `json:"enum" yaml:"enum"`
			} `json:"schemas" yaml:"schemas"`
		} `json:"components" yaml:"components"`
	}

	if err := yaml.Unmarshal(document, &parsed); err != nil {
		t.Fatal(err)
	}

	if len(parsed.Components.Schemas) == 0 {
		data, _ := json.Marshal(parsed)
		t.Fatalf("no schemas in the document: %s", data)
	}

	return parsed.Components.Schemas["StepName"].Enum
}
