package schema

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/pipeline"
)

// CheckPlacing makes sure that an order can be placed: it sends the kinds of statement that
// placing sends, in two transactions, and inserts nothing. It finds missing privileges, and
// a pooler that loses prepared statements.
func CheckPlacing(ctx context.Context, pool *pgxpool.Pool) error {
	const transactions = 2

	for range transactions {
		err := db.InTx(ctx, pool, func(tx pgx.Tx) error {
			for table, columns := range map[string]string{
				"orders": "id", "order_lines": "order_id", "idempotency_keys": "key", "river_job": "kind",
			} {
				sql := fmt.Sprintf(`INSERT INTO %[1]s (%[2]s) SELECT %[2]s FROM %[1]s WHERE $1`, table, columns)
				if err := pipeline.Exec(ctx, tx, "insert into "+table, sql, false); err != nil {
					return err
				}
			}

			return nil
		})
		if err != nil {
			return fmt.Errorf("check placing: %w", err)
		}
	}

	return nil
}
