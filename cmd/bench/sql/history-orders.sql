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
