// Package delivery keeps where events are sent to, and what became of each.
//
// An endpoint has a position in the log of events. The follower of an endpoint sends what is behind the
// position, and what is due again. Then [Record] writes the results and the new position in one
// transaction. A process that ends in between sends the same again, with the same ids.
package delivery

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/event"
	"orders/order"
)

// A Kind is how an endpoint is reached.
type Kind string

// The kinds.
const (
	Webhook Kind = "webhook" // of another service
	Mail    Kind = "mail"    // to customers; there is one at most
)

// An Endpoint is where events are sent to.
type Endpoint struct {
	ID             uuid.UUID
	Kind           Kind
	URL            string
	Types          []event.Type // none for all
	Secret         string       // begins with [SecretPrefix]
	PreviousSecret *string      // is valid, too, for a while after a rotation; nil for none
	PositionSeq    int64
	PositionN      int32
	CreatedAt      time.Time
	CreatedBy      string
	DisabledAt     *time.Time // nil while it is active
	DisabledReason *string
	DisabledBy     *string       // the operator; nil if it was disabled by its answers
	FailingSince   *time.Time    // nil if the last ones have arrived
	FailingFor     time.Duration // until now, by the database's clock
	PausedUntil    *time.Time    // nil if it is not paused
	PausedFor      time.Duration // from now on
	LastAt         *time.Time
	LastStatus     int // of the last answer; 0 for none
	LastAnswer     string
	Gaps           int // how often events were deleted before they were sent
	Waiting        int // deliveries that are to be sent again, counted up to 10,000; 0 from [Get]
}

// Position is how far the endpoint has been sent the log.
func (e Endpoint) Position() event.Position {
	return event.Position{Seq: e.PositionSeq, N: e.PositionN}
}

// Kinds lists them.
func Kinds() []Kind { return []Kind{Webhook, Mail} }

// State is the endpoint's state in a word.
func (e Endpoint) State() EndpointState {
	switch {
	case e.DisabledAt != nil:
		return Disabled
	case e.PausedUntil != nil:
		return Paused
	case e.FailingSince != nil:
		return Failing
	default:
		return Active
	}
}

// An EndpointState says whether an endpoint gets events.
type EndpointState string

// The states of an endpoint.
const (
	Active   EndpointState = "active"   // what was sent last has arrived
	Failing  EndpointState = "failing"  // what was sent last has not arrived
	Paused   EndpointState = "paused"   // it has failed again and again, and is tried now and then
	Disabled EndpointState = "disabled" // nothing is sent, until an operator enables it
)

// EndpointStates lists them.
func EndpointStates() []EndpointState { return []EndpointState{Active, Failing, Paused, Disabled} }

// rotation is how long the secret before a rotation stays valid.
const rotation = 24 * time.Hour

// SecretPrefix is that of Standard Webhooks.
const SecretPrefix = "whsec_"

const secretBytes = 32 // Standard Webhooks asks for 24 to 64

// NewSecret makes a secret: random bytes in base64 behind the prefix.
func NewSecret() string {
	secret := make([]byte, secretBytes)
	_, _ = rand.Read(secret) // never fails

	return SecretPrefix + base64.StdEncoding.EncodeToString(secret)
}

const columns = `
	id, kind, url, types, secret, CASE WHEN previous_until > now() THEN previous_secret END AS previous_secret, position_seq, position_n,
	created_at, created_by, disabled_at, disabled_reason, disabled_by, failing_since, coalesce(now() - failing_since, '0') AS failing_for,
	paused_until, greatest(coalesce(paused_until - now(), '0'), '0') AS paused_for, last_at, last_status, last_answer, gaps`

// shown are the columns for people.
const shown = columns + `,
	(
		SELECT count(*)
		FROM (
			SELECT
			FROM deliveries
			WHERE endpoint_id = endpoints.id
				AND state = 'waiting'
			LIMIT 10000
		) AS counted
	)::int AS waiting`

// Create writes an endpoint that begins at the position. ID, state and times are chosen here.
func Create(ctx context.Context, tx pgx.Tx, e Endpoint, at event.Position) (Endpoint, error) {
	return one(tx.Query(ctx, `
		INSERT INTO endpoints (kind, url, types, secret, position_seq, position_n, created_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7)
		RETURNING `+shown, e.Kind, e.URL, e.Types, e.Secret, at.Seq, at.N, e.CreatedBy))
}

// Get reads an endpoint. It returns [order.NotFound] if there is none.
func Get(ctx context.Context, q db.Querier, id uuid.UUID) (Endpoint, error) {
	return one(q.Query(ctx, `
		SELECT `+columns+`
		FROM endpoints
		WHERE id = $1`, id))
}

// List lists all webhooks, the newest first.
func List(ctx context.Context, q db.Querier) ([]Endpoint, error) {
	rows, err := q.Query(ctx, `
		SELECT `+shown+`
		FROM endpoints
		WHERE kind = 'webhook'
		ORDER BY created_at DESC, id`)
	if err != nil {
		return nil, fmt.Errorf("list endpoints: %w", err)
	}

	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Endpoint])
	if err != nil {
		return nil, fmt.Errorf("list endpoints: %w", err)
	}

	return list, nil
}

// WithoutJob lists the endpoints of a kind that are to be sent events and have no live job of the job's kind.
func WithoutJob(ctx context.Context, q db.Querier, kind Kind, job string) ([]uuid.UUID, error) {
	rows, err := q.Query(ctx, `
		SELECT id
		FROM endpoints
		WHERE kind = $1
			AND disabled_at IS NULL
			AND NOT EXISTS (
				SELECT
				FROM river_job
				WHERE river_job.kind = $2
					AND state IN ('available', 'pending', 'retryable', 'running', 'scheduled')
					AND args ->> 'endpoint_id' = endpoints.id::text
			)
		ORDER BY id`, kind, job)
	if err != nil {
		return nil, fmt.Errorf("list endpoints without a job: %w", err)
	}

	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, fmt.Errorf("list endpoints without a job: %w", err)
	}

	return ids, nil
}

// Rotate gives the endpoint another secret. The one before stays valid for 24 hours.
func Rotate(ctx context.Context, tx pgx.Tx, id uuid.UUID, secret string) (Endpoint, error) {
	return one(tx.Query(ctx, `
		UPDATE endpoints
		SET secret = $2, previous_secret = secret, previous_until = now() + $3::interval
		WHERE id = $1
			AND kind = 'webhook'
		RETURNING `+shown, id, secret, rotation))
}

// Disable keeps events from being sent. What happens meanwhile is sent when it is enabled. The first reason stays.
func Disable(ctx context.Context, tx pgx.Tx, id uuid.UUID, reason string, by order.Actor) (Endpoint, error) {
	return one(tx.Query(ctx, `
		UPDATE endpoints
		SET disabled_at = coalesce(disabled_at, now()), disabled_reason = coalesce(disabled_reason, $2),
			disabled_by = coalesce(disabled_by, $3)
		WHERE id = $1
			AND kind = 'webhook'
		RETURNING `+shown, id, reason, by.Name))
}

// Enable lets events be sent again. Then [Wake] its job: it may wait for the end of a pause.
func Enable(ctx context.Context, tx pgx.Tx, id uuid.UUID) (Endpoint, error) {
	return one(tx.Query(ctx, `
		UPDATE endpoints
		SET disabled_at = NULL, disabled_reason = NULL, disabled_by = NULL, failing_since = NULL, paused_until = NULL
		WHERE id = $1
			AND kind = 'webhook'
		RETURNING `+shown, id))
}

// EndPause lets one delivery try now. Then [Wake] its job.
func EndPause(ctx context.Context, tx pgx.Tx, id uuid.UUID) error {
	_, err := tx.Exec(ctx, `
		UPDATE endpoints
		SET paused_until = now()
		WHERE id = $1
			AND paused_until > now()`, id)
	if err != nil {
		return fmt.Errorf("end the pause of an endpoint: %w", err)
	}

	return nil
}

// Wake lets the job of an endpoint run at once, if it waits. Workers see it at their next poll.
func Wake(ctx context.Context, tx pgx.Tx, id uuid.UUID, job string) error {
	_, err := tx.Exec(ctx, `
		UPDATE river_job
		SET state = 'available', scheduled_at = now()
		WHERE kind = $1
			AND state IN ('available', 'retryable', 'scheduled')
			AND scheduled_at > now()
			AND args ->> 'endpoint_id' = $2::uuid::text`, job, id)
	if err != nil {
		return fmt.Errorf("wake the endpoint's job: %w", err)
	}

	return nil
}

func one(rows pgx.Rows, err error) (Endpoint, error) {
	if err != nil {
		return Endpoint{}, fmt.Errorf("endpoint: %w", err)
	}

	e, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByNameLax[Endpoint])
	if errors.Is(err, pgx.ErrNoRows) {
		return e, order.Errorf(order.NotFound, "There is no such webhook.")
	}

	if err != nil {
		return e, fmt.Errorf("endpoint: %w", err)
	}

	return e, nil
}
