-- The products that workloads order from, with more stock than any run orders, and the receipts that the audit expects.
INSERT INTO products (sku, name, price, currency, available)
SELECT 'sku-' || n, 'Product ' || n, 500 + n, 'EUR', 1000000000
FROM generate_series(0, 999) AS n
UNION ALL
SELECT 'gone-' || n, 'Gone ' || n, 500 + n, 'EUR', 0
FROM generate_series(1, 10) AS n;

INSERT INTO stock_receipts (sku, reference, quantity)
SELECT sku, 'opening', available
FROM products
WHERE available > 0;
