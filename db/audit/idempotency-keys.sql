-- sentence: Each Idempotency-Key under which an order was placed has its order, and no order has two of them.
-- scope:    window
-- columns:
--   subject  the key, behind its scope
--   detail   the order it names, and what is wrong with that

-- The keys written after $1 up to $2, and the keys in $3. A key and its order are written in one transaction, so both
-- have one time: a key with another time was not written with its order.
WITH audited AS (
    SELECT scope, key, order_id, created_at
    FROM idempotency_keys
    WHERE created_at > $1::timestamptz
        AND created_at <= $2::timestamptz
        AND operation = 'place-order'
    UNION
    SELECT scope, key, order_id, created_at
    FROM unnest($3::text[]) AS again (subject)
    JOIN idempotency_keys ON operation = 'place-order'
        AND scope = split_part(subject, '/', 1)
        AND key = substr(subject, length(split_part(subject, '/', 1)) + 2)
), counted AS (
    SELECT scope, key, order_id, created_at, count(*) OVER (PARTITION BY order_id) AS keys
    FROM audited
)
SELECT
    scope || '/' || key AS subject,
    CASE
        WHEN orders.id IS NULL THEN format('order %s does not exist', order_id)
        WHEN keys > 1 THEN format('order %s has %s keys', order_id, keys)
        ELSE format('order %s was placed at %s, the key written at %s', order_id, orders.created_at, counted.created_at)
    END AS detail
FROM counted
LEFT JOIN orders ON orders.id = order_id
WHERE keys > 1
    OR orders.created_at IS DISTINCT FROM counted.created_at
ORDER BY scope, key;
