-- The settled orders that are written: one every 10 ms, up to an hour ago.
CREATE UNLOGGED TABLE bench_history AS
SELECT
    uuid_at(at) AS id,
    at,
    'u-' || n * 48271 % 100000 AS user_id,
    'sku-' || n * 7919 % 500 AS first_sku,
    'sku-' || 500 + n * 7907 % 500 AS second_sku
FROM (
    SELECT n, now() - interval '1 hour' - (1000000 - n) * interval '10 ms' AS at
    FROM generate_series(1, 1000000::bigint) AS n
) AS placed;

ANALYZE bench_history;

INSERT INTO orders (id, user_id, status, currency, total, created_at, updated_at)
SELECT id, user_id, 'confirmed', 'EUR', 2000, at, at + interval '200 ms'
FROM bench_history;

INSERT INTO order_lines (order_id, sku, quantity, unit_price)
SELECT id, sku, 1, 1000
FROM bench_history
CROSS JOIN LATERAL (VALUES (first_sku), (second_sku)) AS line (sku);

INSERT INTO notifications (order_id, template, user_id, body, at)
SELECT id, 'created', user_id, 'your order has been created', at + interval '200 ms'
FROM bench_history;

INSERT INTO stock_movements (order_id, sku, kind, quantity, at)
SELECT id, sku, 'deduct', 1, at + interval '200 ms'
FROM bench_history
CROSS JOIN LATERAL (VALUES (first_sku), (second_sku)) AS line (sku);

INSERT INTO points_entries (order_id, kind, user_id, points, at)
SELECT id, 'earn', user_id, 10, at + interval '200 ms'
FROM bench_history;

INSERT INTO points_balances (user_id, balance)
SELECT user_id, sum(points)
FROM points_entries
GROUP BY user_id;

INSERT INTO audit_stock_sums (sku, received, deducted, released)
SELECT sku, r.quantity, coalesce(m.quantity, 0), 0
FROM stock_receipts AS r
LEFT JOIN (
    SELECT sku, sum(quantity) AS quantity
    FROM stock_movements
    GROUP BY sku
) AS m USING (sku);

UPDATE stock_receipts
SET at = now() - interval '1 day';

UPDATE products
SET available = available - deducted
FROM audit_stock_sums AS s
WHERE s.sku = products.sku;

-- The sweeps and the audit have been by.
INSERT INTO watermarks (name, order_id, at)
SELECT name, last.id, last.at + interval '1 minute'
FROM (
    SELECT id, at
    FROM bench_history
    ORDER BY at DESC
    LIMIT 1
) AS last
CROSS JOIN unnest('{audit,missing_jobs,missing_jobs:again}'::text[]) AS name;

DROP TABLE bench_history;
