// Package alert keeps which conditions have begun and ended, and what of that the receiver of
// the alert webhook has acknowledged.
package alert

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orders/db"
	"orders/db/condition"
	"orders/db/pipeline"
)

// kept is how long an alert stays that has ended, and whose end was acknowledged.
const kept = 30 * 24 * time.Hour

// A State is whether an alert has begun or ended.
type State string

// The states. The begin is posted first, also if the alert has ended in the meantime.
const (
	Begin State = "begin"
	End   State = "end"
)

// A Message is what is to be posted of an alert. Its id and state are those of each repetition.
type Message struct {
	ID        uuid.UUID
	Condition condition.Name
	Severity  condition.Severity
	State     State
	Since     time.Time
	At        time.Time // when it was seen that the condition began or ended
	Sentence  string
}

// Update begins alerts of conditions that are not OK, and ends those of conditions that are.
// An alert that gets worse ends, and another begins; one that gets milder lasts.
func Update(ctx context.Context, tx pgx.Tx, conditions []condition.Condition) error {
	var (
		names, severities, sentences []string
		since                        []*time.Time
	)

	for _, c := range conditions {
		if c.Severity == condition.OK {
			continue
		}

		names, severities = append(names, string(c.Name)), append(severities, string(c.Severity))
		sentences, since = append(sentences, c.Sentence), append(since, c.Since)
	}

	err := pipeline.Exec(ctx, tx, "end alerts", `
		UPDATE alerts AS a
		SET ended_at = now()
		WHERE ended_at IS NULL
			AND NOT EXISTS (
				SELECT
				FROM unnest($1::text[], $2::text[]) AS lasting (condition, severity)
				WHERE lasting.condition = a.condition
					AND (lasting.severity = a.severity OR a.severity = 'critical')
			)`, names, severities)
	if err != nil {
		return err
	}

	return pipeline.Exec(ctx, tx, "begin alerts", `
		INSERT INTO alerts (condition, severity, sentence, since)
		SELECT condition, severity, sentence, coalesce(since, now())
		FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) AS c (condition, severity, sentence, since)
		ORDER BY condition
		ON CONFLICT (condition) WHERE ended_at IS NULL DO NOTHING`, names, severities, sentences, since)
}

// Unposted lists at most limit messages that the receiver has not acknowledged, the oldest first.
func Unposted(ctx context.Context, q db.Querier, limit int) ([]Message, error) {
	rows, err := q.Query(ctx, `
		SELECT id, condition, severity, CASE WHEN begin_posted_at IS NULL THEN 'begin' ELSE 'end' END AS state, since,
			CASE WHEN begin_posted_at IS NULL THEN began_at ELSE ended_at END AS at, sentence
		FROM alerts
		WHERE (begin_posted_at IS NULL OR end_posted_at IS NULL)
			AND (begin_posted_at IS NULL OR ended_at IS NOT NULL)
		ORDER BY began_at, id
		LIMIT $1`, limit)
	if err != nil {
		return nil, fmt.Errorf("list alerts to post: %w", err)
	}

	messages, err := pgx.CollectRows(rows, pgx.RowToStructByName[Message])
	if err != nil {
		return nil, fmt.Errorf("list alerts to post: %w", err)
	}

	return messages, nil
}

// Posted records that the receiver has acknowledged a message.
func Posted(ctx context.Context, q db.Querier, m Message) error {
	_, err := q.Exec(ctx, `
		UPDATE alerts
		SET begin_posted_at = coalesce(begin_posted_at, now()),
			end_posted_at = CASE WHEN $2 THEN coalesce(end_posted_at, now()) END
		WHERE id = $1`, m.ID, m.State == End)
	if err != nil {
		return fmt.Errorf("record alert as posted: %w", err)
	}

	return nil
}

// Prune deletes alerts that have ended long ago.
func Prune(ctx context.Context, tx pgx.Tx) error {
	return pipeline.Exec(ctx, tx, "delete old alerts", `
		DELETE FROM alerts
		WHERE end_posted_at < now() - $1::interval`, kept)
}
