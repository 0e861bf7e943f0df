package pipeline_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"orders/db/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m, migrate) }

// migrate makes the only table: the package knows nothing of orders.
func migrate(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)

	_, err = conn.Exec(ctx, `CREATE TABLE t (n int PRIMARY KEY)`)

	return err
}
