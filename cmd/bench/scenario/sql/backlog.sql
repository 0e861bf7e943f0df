-- Orders that wait, which share jobs of 256 as they do when they are placed under load: what a job is like is copied from
-- those of the two model orders, and only ids and unique keys are made anew. They are of the last minutes, but older than
-- any that is placed from now on.
CREATE UNLOGGED TABLE bench_backlog AS
SELECT
    n,
    uuid_at(at) AS id,
    at,
    n / 256 AS batch,
    'u-' || n * 48271 % 100000 AS user_id,
    'sku-' || n * 7919 % 500 AS first_sku,
    'sku-' || 500 + n * 7907 % 500 AS second_sku
FROM (
    SELECT n, now() - interval '1 second' - (333333 - n) * interval '1 ms' AS at
    FROM generate_series(0, 333332::bigint) AS n
) AS placed;

CREATE UNLOGGED TABLE bench_batches AS
SELECT
    batch,
    max(at) AS at,
    count(*) AS orders,
    (array_agg(id ORDER BY n))[1] AS id,
    jsonb_agg(id ORDER BY n) AS order_ids
FROM bench_backlog
GROUP BY batch;

INSERT INTO orders (id, batch_id, user_id, status, currency, total, created_at, updated_at)
SELECT b.id, s.id, b.user_id, 'pending', 'EUR', 2000, b.at, b.at
FROM bench_backlog AS b
JOIN bench_batches AS s USING (batch);

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
    m.args || jsonb_build_object('orders', b.orders, 'batch_id', b.id, 'order_ids', b.order_ids),
    at, kind, max_attempts,
    m.metadata || jsonb_build_object('orders:count', b.orders),
    priority, queue, at, 'available', tags,
    batch_job_key(queue, b.id),
    unique_states
FROM bench_batches AS b
CROSS JOIN bench_model AS m
ORDER BY b.batch, m.id;

DROP TABLE bench_model, bench_batches, bench_backlog;

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
