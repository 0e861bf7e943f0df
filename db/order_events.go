package db

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db/pipeline"
)

// An OrderEvent records what happened to an order and is in no ledger.
type OrderEvent struct {
	OrderID uuid.UUID
	At      time.Time // when reading; a new event has the transaction's time
	Type    string    // a final status, or the name of an act
	Detail  map[string]any
	Actor   string // empty when the system did it
}

// RecordEvents writes events.
func RecordEvents(ctx context.Context, tx pgx.Tx, events []OrderEvent) error {
	ids := make([]uuid.UUID, len(events))
	types, details, actors := make([]string, len(events)), make([]string, len(events)), make([]string, len(events))

	for i, e := range events {
		detail, err := json.Marshal(e.Detail)
		if err != nil {
			return fmt.Errorf("encode event: %w", err)
		}

		ids[i], types[i], details[i], actors[i] = e.OrderID, e.Type, string(detail), e.Actor
	}

	return pipeline.Exec(ctx, tx, "record events", `
		INSERT INTO order_events (order_id, type, detail, actor)
		SELECT e.order_id, e.type, e.detail::jsonb, e.actor
		FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) AS e (order_id, type, detail, actor)`,
		ids, types, details, actors)
}
