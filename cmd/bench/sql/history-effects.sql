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
