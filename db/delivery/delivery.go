package delivery

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/event"
	"orders/db/pipeline"
	"orders/order"
)

// A State is what became of a delivery.
type State string

// The states of a delivery.
const (
	Waiting    State = "waiting"    // it is sent again
	Sent       State = "sent"       // the receiver has it
	Failed     State = "failed"     // given up
	Suppressed State = "suppressed" // not worth sending any more
)

// States lists them.
func States() []State { return []State{Waiting, Sent, Failed, Suppressed} }

// A Delivery is what became of an event at an endpoint.
type Delivery struct {
	ID         int64
	EndpointID uuid.UUID
	Channel    Kind
	EventID    string
	EventType  event.Type
	EventAt    time.Time
	OrderID    *uuid.UUID // nil for an event of a product
	SKU        *string    // nil for an event of an order
	State      State
	Attempts   int
	NextAt     *time.Time
	Status     int // of the last answer; 0 for none
	Answer     string
	ProviderID string
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

// A Due is an event that is to be sent to an endpoint.
type Due struct {
	event.Event

	Delivery int64 // the row; 0 for an event that has none yet
	Attempts int   // that were made
}

// DueAgain lists deliveries of an endpoint whose time has come, those that waited longest first, at most limit.
func DueAgain(ctx context.Context, q db.Querier, endpoint uuid.UUID, limit int) ([]Due, error) {
	rows, err := q.Query(ctx, `
		SELECT d.id, d.attempts, d.event_seq, d.event_at, d.event_type, d.order_id, coalesce(d.sku, ''), coalesce(o.reference, ''),
			CASE WHEN d.event_type = 'order.' || o.status THEN coalesce(o.status_reason_code, '') ELSE '' END
		FROM (
			SELECT id, attempts, event_seq, event_at, event_type, order_id, sku, next_at
			FROM deliveries
			WHERE endpoint_id = $1
				AND state = 'waiting'
				AND next_at <= now()
			ORDER BY next_at
			LIMIT $2
		) AS d
		LEFT JOIN orders AS o ON o.id = d.order_id
		ORDER BY d.next_at`, endpoint, limit)
	if err != nil {
		return nil, fmt.Errorf("read due deliveries: %w", err)
	}

	due, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (d Due, err error) {
		var order uuid.NullUUID

		err = row.Scan(&d.Delivery, &d.Attempts, &d.Seq, &d.At, &d.Type, &order, &d.SKU, &d.Reference, &d.ReasonCode)
		d.OrderID = order.UUID

		return d, err
	})
	if err != nil {
		return nil, fmt.Errorf("read due deliveries: %w", err)
	}

	return due, nil
}

// A Result is what became of an attempt, or of one that was not made as the endpoint is paused.
type Result struct {
	Due

	State    State
	Attempts int           // made now and before
	Wait     time.Duration // until the next attempt, if it waits
	Status   int
	Answer   string // a short line

	ProviderID string // that a mail server gave; empty for none
}

// A Slice are the results of one round of an endpoint's follower.
type Slice struct {
	Endpoint Endpoint // as it was read before the round
	Position event.Position
	Results  []Result
	Works    bool          // the endpoint has taken an event, or has refused one for what it is
	Pause    time.Duration // nothing is to be sent for so long; 0 for no pause
	Gap      bool          // events were deleted before they could be sent
	Disable  string        // why the endpoint is to be disabled; empty if it is not
}

// ErrMoved says that another follower of the endpoint was faster.
var ErrMoved = errors.New("another worker follows the endpoint")

// Record writes what became of a slice.
func Record(ctx context.Context, tx pgx.Tx, s Slice) error {
	if err := moveEndpoint(ctx, tx, s); err != nil {
		return err
	}

	if len(s.Results) == 0 {
		return nil
	}

	var (
		rows, seqs                                   []int64
		ids, types, states, answers, skus, providers []string
		at                                           []time.Time
		orders                                       []uuid.NullUUID
		attempts, statuses                           []int
		waits                                        []time.Duration
	)

	for _, r := range s.Results {
		rows, seqs, ids = append(rows, r.Delivery), append(seqs, r.Seq), append(ids, r.ID())
		types, at, skus = append(types, string(r.Type)), append(at, r.At), append(skus, r.SKU)
		orders = append(orders, uuid.NullUUID{UUID: r.OrderID, Valid: r.OrderID != uuid.Nil})
		states, attempts, waits = append(states, string(r.State)), append(attempts, r.Attempts), append(waits, r.Wait)
		statuses, answers, providers = append(statuses, r.Status), append(answers, r.Answer), append(providers, r.ProviderID)
	}

	return pipeline.Exec(ctx, tx, "record deliveries", `
		WITH result AS (
			SELECT id, event_seq, event_id, event_type, event_at, order_id, sku, state, attempts,
				CASE WHEN state = 'waiting' THEN now() + wait END AS next_at, status, answer, provider_id
			FROM unnest($2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::timestamptz[], $7::uuid[], $8::text[], $9::text[],
				$10::int[], $11::interval[], $12::int[], $13::text[], $14::text[])
				AS r (id, event_seq, event_id, event_type, event_at, order_id, sku, state, attempts, wait, status, answer, provider_id)
		), again AS (
			UPDATE deliveries AS d
			SET state = r.state, attempts = r.attempts, next_at = r.next_at, status = r.status, answer = r.answer,
				provider_id = r.provider_id, updated_at = now()
			FROM result AS r
			WHERE d.id = r.id
				AND d.state = 'waiting'
		)
		INSERT INTO deliveries (
			endpoint_id, event_seq, event_id, event_type, event_at, order_id, sku, state, attempts, next_at, status, answer, provider_id
		)
		SELECT $1, event_seq, event_id, event_type, event_at, order_id, nullif(sku, ''), state, attempts, next_at,
			status, answer, provider_id
		FROM result
		WHERE id = 0
		ON CONFLICT (endpoint_id, event_id) DO NOTHING`,
		s.Endpoint.ID, rows, seqs, ids, types, at, orders, skus, states, attempts, waits, statuses, answers, providers)
}

// moveEndpoint moves the endpoint's position, if it is still where it was, and notes how the endpoint is.
func moveEndpoint(ctx context.Context, tx pgx.Tx, s Slice) error {
	tried, last := false, Result{}

	for _, r := range s.Results {
		if r.Attempts > r.Due.Attempts {
			tried, last = true, r
		}
	}

	tag, err := tx.Exec(ctx, `
		UPDATE endpoints
		SET position_seq = $4, position_n = $5,
			failing_since = CASE WHEN $6 THEN NULL WHEN $7 THEN coalesce(failing_since, now()) ELSE failing_since END,
			paused_until = CASE WHEN $8::interval > '0' THEN now() + $8::interval WHEN $7 THEN NULL ELSE paused_until END,
			last_at = CASE WHEN $7 THEN now() ELSE last_at END,
			last_status = CASE WHEN $7 THEN $9 ELSE last_status END,
			last_answer = CASE WHEN $7 THEN $10 ELSE last_answer END,
			gaps = gaps + CASE WHEN $11 THEN 1 ELSE 0 END,
			disabled_at = CASE WHEN $12::text <> '' THEN coalesce(disabled_at, now()) ELSE disabled_at END,
			disabled_reason = CASE WHEN $12::text <> '' THEN coalesce(disabled_reason, $12) ELSE disabled_reason END
		WHERE id = $1
			AND (position_seq, position_n) = ($2, $3)`,
		s.Endpoint.ID, s.Endpoint.PositionSeq, s.Endpoint.PositionN, s.Position.Seq, s.Position.N,
		s.Works, tried, s.Pause, last.Status, last.Answer, s.Gap, s.Disable)
	if err != nil {
		return fmt.Errorf("move endpoint: %w", err)
	}

	if tag.RowsAffected() == 0 {
		return ErrMoved
	}

	return nil
}

const (
	forwardAtOnce = 1_000
	forwardEvery  = time.Millisecond // so that an endpoint that is back has room for what is new
)

// BringForward lets deliveries that wait after at most so many attempts be sent again soon, one a millisecond, those first
// whose time would come first.
func BringForward(ctx context.Context, q db.Querier, endpoint uuid.UUID, attempts int) error {
	for after := time.Duration(0); ; after += forwardAtOnce * forwardEvery {
		tag, err := q.Exec(ctx, `
			UPDATE deliveries AS d
			SET next_at = least(d.next_at, now() + $3::interval + w.n * $4::interval)
			FROM (
				SELECT id, row_number() OVER (ORDER BY next_at) AS n
				FROM (
					SELECT id, next_at
					FROM deliveries
					WHERE endpoint_id = $1
						AND state = 'waiting'
						AND next_at > now() + $3::interval
						AND attempts <= $2
					ORDER BY next_at
					LIMIT $5
				) AS waiting
			) AS w
			WHERE d.id = w.id
				AND d.state = 'waiting'`, endpoint, attempts, after, forwardEvery, forwardAtOnce)
		if err != nil {
			return fmt.Errorf("bring deliveries forward: %w", err)
		}

		if tag.RowsAffected() < forwardAtOnce {
			return nil
		}
	}
}

// A Filter narrows a list; zero fields do not.
type Filter struct {
	EndpointID uuid.UUID
	State      State
	Type       event.Type
	OrderID    uuid.UUID
	Since      order.Moment // last changed then or later
	Until      order.Moment // and before
}

const deliveryColumns = `id, endpoint_id, (SELECT kind FROM endpoints WHERE endpoints.id = endpoint_id) AS channel,
	event_id, event_type, event_at, order_id, sku, state, attempts, next_at, status, answer,
	provider_id, created_at, updated_at`

// Deliveries lists those that match, the newest first: at most limit before the id; 0 for the first page.
func Deliveries(ctx context.Context, q db.Querier, f Filter, before int64, limit int) ([]Delivery, error) {
	where := &db.Where{}

	where.If(f.EndpointID != uuid.Nil, "endpoint_id = ?", f.EndpointID)
	// What is not sent has an index.
	where.If(f.State == Sent, "state = ?", f.State)
	where.If(f.State != Sent && f.State != "", "state <> 'sent' AND state = ?", f.State)
	where.If(f.Type != "", "event_type = ?", f.Type)
	where.If(f.OrderID != uuid.Nil, "order_id = ?", f.OrderID)
	where.If(before != 0, "id < ?", before)
	where.Between("updated_at", f.Since, f.Until)

	most := where.Value(limit)

	return list(q.Query(ctx, `
		SELECT `+deliveryColumns+`
		FROM deliveries
		WHERE `+where.String()+`
		ORDER BY id DESC
		LIMIT `+most, where.Args...))
}

// Redeliver lets a delivery be sent again at once, whatever its state, and begin its attempts anew. It
// returns [order.NotFound] if there is none.
func Redeliver(ctx context.Context, tx pgx.Tx, id int64) (d Delivery, err error) {
	found, err := list(tx.Query(ctx, `
		UPDATE deliveries
		SET state = 'waiting', attempts = 0, next_at = now(), updated_at = now()
		WHERE id = $1
		RETURNING `+deliveryColumns, id))
	if err != nil {
		return d, err
	}

	if len(found) == 0 {
		return d, noDelivery(id)
	}

	return found[0], nil
}

func list(rows pgx.Rows, err error) ([]Delivery, error) {
	if err != nil {
		return nil, fmt.Errorf("read deliveries: %w", err)
	}

	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[Delivery])
	if err != nil {
		return nil, fmt.Errorf("read deliveries: %w", err)
	}

	return found, nil
}

// Prune deletes at most limit deliveries, the oldest first, that are older than keep and have ended.
func Prune(ctx context.Context, tx pgx.Tx, keep time.Duration, limit int) (deleted int64, err error) {
	tag, err := tx.Exec(ctx, `
		DELETE FROM deliveries
		WHERE id IN (
			SELECT id
			FROM (
				SELECT id, created_at, state
				FROM deliveries
				ORDER BY id
				LIMIT $2
			) AS oldest
			WHERE created_at < now() - $1::interval
				AND state <> 'waiting'
		)`, keep, limit)
	if err != nil {
		return 0, fmt.Errorf("prune deliveries: %w", err)
	}

	return tag.RowsAffected(), nil
}

// Test lets a test event be sent to the endpoint at once.
func Test(ctx context.Context, tx pgx.Tx, endpoint uuid.UUID) (d Delivery, err error) {
	e := event.Event{Type: event.EndpointTest, OrderID: uuid.New()} // of no order

	made, err := list(tx.Query(ctx, `
		INSERT INTO deliveries (endpoint_id, event_seq, event_id, event_type, event_at, order_id, state, attempts, next_at)
		VALUES ($1, 0, $2, $3, now(), $4, 'waiting', 0, now() - interval '4 days') -- before all that waits: it is due within three days
		RETURNING `+deliveryColumns, endpoint, e.ID(), e.Type, e.OrderID))
	if err != nil {
		return d, err
	}

	return made[0], nil
}

// Find reads a delivery. It returns [order.NotFound] if there is none.
func Find(ctx context.Context, q db.Querier, id int64) (d Delivery, err error) {
	found, err := list(q.Query(ctx, `
		SELECT `+deliveryColumns+`
		FROM deliveries
		WHERE id = $1`, id))
	if err != nil {
		return d, err
	}

	if len(found) == 0 {
		return d, noDelivery(id)
	}

	return found[0], nil
}

func noDelivery(id int64) error {
	return order.Errorf(order.NotFound, "There is no delivery %d; it may have been deleted, as its event was.", id)
}
