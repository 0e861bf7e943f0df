-- sentence: For each customer, the balance is the sum of the customer's points entries.
-- scope:    window
-- columns:
--   subject  the customer
--   detail   what the balance is, and what the entries add up to

-- The customers with an entry after $1 up to $2, and those in $3; all customers when $2 is infinity. All of their
-- entries are added up: one customer has few, and one snapshot has entries and balance of the same transactions.
WITH customer AS (
    SELECT user_id
    FROM points_entries
    WHERE at > $1::timestamptz
        AND at <= $2::timestamptz
    UNION
    SELECT unnest($3::text[])
    UNION
    SELECT user_id
    FROM points_balances
    WHERE $2 = 'infinity'
), summed AS (
    SELECT
        customer.user_id,
        coalesce(sum(points_entries.points), 0) AS points
    FROM customer
    LEFT JOIN points_entries USING (user_id)
    GROUP BY customer.user_id
)
SELECT
    user_id AS subject,
    format('balance %s, should be %s', coalesce(points_balances.balance::text, 'none'), summed.points) AS detail
FROM summed
LEFT JOIN points_balances USING (user_id)
WHERE coalesce(points_balances.balance, 0) <> summed.points
ORDER BY user_id;
