package db

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// A Reference is what a client calls its order. Two clients may use one.
type Reference struct{ Client, Name string }

// FindReferences returns the orders that have the references.
func FindReferences(ctx context.Context, q Querier, references []Reference) (map[Reference]uuid.UUID, error) {
	found := map[Reference]uuid.UUID{}
	if len(references) == 0 {
		return found, nil
	}

	var clients, names []string

	for _, r := range references {
		clients, names = append(clients, r.Client), append(names, r.Name)
	}

	rows, err := q.Query(ctx, `
		SELECT orders.client, orders.reference, orders.id
		FROM unnest($1::text[], $2::text[]) AS r (client, reference)
		JOIN orders ON orders.client = r.client
			AND orders.reference = r.reference
			AND orders.reference IS NOT NULL`, clients, names)
	if err != nil {
		return nil, fmt.Errorf("find references: %w", err)
	}

	var (
		r  Reference
		id uuid.UUID
	)

	_, err = pgx.ForEachRow(rows, []any{&r.Client, &r.Name, &id}, func() error {
		found[r] = id

		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("find references: %w", err)
	}

	return found, nil
}

// clientsOfReferences are the clients that have orders with references. There are few: the
// recursion reads one row of the index for each.
const clientsOfReferences = `
	WITH RECURSIVE clients AS (
		(SELECT client FROM orders WHERE reference IS NOT NULL ORDER BY client LIMIT 1)
		UNION ALL
		SELECT (SELECT o.client FROM orders AS o WHERE o.reference IS NOT NULL AND o.client > clients.client ORDER BY o.client LIMIT 1)
		FROM clients
		WHERE clients.client IS NOT NULL
	)
	SELECT client
	FROM clients
	WHERE client IS NOT NULL`
