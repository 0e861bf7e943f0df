-- title:    Low stock
-- question: Which products that can be ordered have less stock than their threshold, and since when?
-- columns:
--   sku        the product; the one with the least stock for its threshold comes first
--   name       its name
--   available  stock that no order has taken
--   low_stock  its threshold, as PUT /products/{sku} sets it
--   since      when the stock became low last, UTC; null if the product began with it

SELECT
    sku,
    name,
    available,
    low_stock,
    (
        SELECT max(at)
        FROM stock_alerts
        WHERE stock_alerts.sku = products.sku
    ) AS since
FROM products
WHERE low_stock > 0
    AND available < low_stock
    AND archived_at IS NULL
ORDER BY available::float8 / low_stock, sku;
