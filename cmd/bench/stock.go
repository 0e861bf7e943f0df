package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
)

// stockOfEach is what no run can order.
const stockOfEach = 1_000_000_000

// stock writes the catalogue that the workload orders from, with the receipts
// that the audit wants to see.
func stock(ctx context.Context, pool *pgxpool.Pool, w workload) error {
	_, err := pool.Exec(ctx, `
		INSERT INTO products (sku, name, price, currency, available)
		SELECT 'sku-' || n, 'Product ' || n, 500 + n, 'EUR', $2
		FROM generate_series(0, $1::int - 1) AS n
		UNION ALL
		SELECT 'gone-' || n, 'Gone ' || n, 500 + n, 'EUR', 0
		FROM generate_series(1, $3::int) AS n`, w.skus, stockOfEach, scarceSKUs)
	if err != nil {
		return fmt.Errorf("write products: %w", err)
	}

	_, err = pool.Exec(ctx, `
		INSERT INTO stock_receipts (sku, reference, quantity)
		SELECT sku, 'opening', available
		FROM products
		WHERE available > 0`)
	if err != nil {
		return fmt.Errorf("write receipts: %w", err)
	}

	return tidy(ctx, pool)
}

// tidy does what autovacuum would have done by now.
func tidy(ctx context.Context, pool *pgxpool.Pool) error {
	if _, err := pool.Exec(ctx, `VACUUM ANALYZE`); err != nil {
		return fmt.Errorf("vacuum: %w", err)
	}

	return nil
}

// failNotifications makes one order in twenty fail the first run of its
// notification, whatever batch it is in.
func failNotifications(ctx context.Context, pool *pgxpool.Pool) error {
	_, err := pool.Exec(ctx, `
		CREATE FUNCTION fail_first_run() RETURNS trigger
		LANGUAGE plpgsql
		AS $$
		BEGIN
			IF EXISTS (
				SELECT
				FROM live_jobs
				WHERE unique_key = job_key('notification', NEW.order_id, NEW.template)
					AND attempt = 1
			) THEN
				RAISE EXCEPTION 'the mail server is away';
			END IF;

			RETURN NEW;
		END
		$$;

		CREATE TRIGGER fail_first_run
		BEFORE INSERT ON notifications
		FOR EACH ROW
		WHEN (abs(hashtext(NEW.order_id::text) % 20) = 0)
		EXECUTE FUNCTION fail_first_run()`)
	if err != nil {
		return fmt.Errorf("make notifications fail: %w", err)
	}

	return nil
}
