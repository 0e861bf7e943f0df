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
