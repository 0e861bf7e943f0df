-- Orders that wait, each with the jobs that the model order has: what a job is like is copied from them, and only ids
-- and unique keys are made anew. They are of the last minutes, but older than any that is placed from now on.
CREATE UNLOGGED TABLE bench_backlog AS
SELECT
    n,
    uuid_at(at) AS id,
    at,
    'u-' || n * 48271 % 100000 AS user_id,
    'sku-' || n * 7919 % 500 AS first_sku,
    'sku-' || 500 + n * 7907 % 500 AS second_sku
FROM (
    SELECT n, now() - interval '1 second' - (333333 - n) * interval '1 ms' AS at
    FROM generate_series(1, 333333::bigint) AS n
) AS placed;

INSERT INTO orders (id, user_id, status, currency, total, created_at, updated_at)
SELECT id, user_id, 'pending', 'EUR', 2000, at, at
FROM bench_backlog;

INSERT INTO order_lines (order_id, sku, quantity, unit_price)
SELECT id, sku, 1, 1000
FROM bench_backlog
CROSS JOIN LATERAL (VALUES (first_sku), (second_sku)) AS line (sku);

CREATE UNLOGGED TABLE bench_model AS
SELECT *
FROM river_job;

INSERT INTO river_job (
    args, created_at, kind, max_attempts, metadata, priority, queue, scheduled_at, state, tags, unique_key, unique_states
)
SELECT
    own.args, at, kind, max_attempts, metadata, priority, queue, at, 'available', tags,
    job_key(kind, b.id, coalesce(m.args->>'template', '')),
    unique_states
FROM bench_backlog AS b
CROSS JOIN bench_model AS m
CROSS JOIN LATERAL (SELECT m.args || jsonb_build_object('order_id', b.id)) AS own (args)
ORDER BY b.n, m.id;

DROP TABLE bench_model, bench_backlog;

-- The audit has seen them.
UPDATE stock_receipts
SET at = now() - interval '1 day';

INSERT INTO audit_stock_sums (sku, received, deducted, released)
SELECT sku, quantity, 0, 0
FROM stock_receipts;

INSERT INTO watermarks (name, order_id, at)
SELECT 'audit', id, created_at
FROM orders
ORDER BY id DESC
LIMIT 1;
