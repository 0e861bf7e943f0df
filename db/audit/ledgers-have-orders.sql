-- sentence: Each row of a ledger has its order.
-- scope:    window
-- columns:
--   subject  the missing order
--   detail   which ledgers have rows of it

-- The rows written after $1 up to $2, and those of the orders in $3. The ledgers have no foreign key to orders: its check
-- would lock the order.
WITH written AS (
    SELECT ledger, order_id
    FROM step_effects
    WHERE ledger <> 'orders'
        AND at > $1::timestamptz
        AND at <= $2::timestamptz
    UNION ALL
    SELECT ledger, order_id
    FROM step_effects
    WHERE ledger <> 'orders'
        AND order_id = ANY($3::text[]::uuid[])
    UNION ALL
    SELECT 'payments', order_id
    FROM payments
    WHERE at > $1 AND at <= $2
        OR order_id = ANY($3::text[]::uuid[])
)
SELECT
    order_id::text AS subject,
    'no such order, but rows in ' || string_agg(DISTINCT ledger, ', ' ORDER BY ledger) AS detail
FROM written
WHERE NOT EXISTS (SELECT FROM orders WHERE orders.id = written.order_id)
GROUP BY order_id
ORDER BY order_id;
