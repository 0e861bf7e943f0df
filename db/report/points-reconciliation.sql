-- title:    Points reconciliation
-- question: Which customers' balances are not the sum of their points entries?
-- columns:
--   user_id     the customer; only those with a difference, at most 1,000
--   entries     how many entries the ledger has
--   expected    sum of their points; 0 without entries
--   balance     what the balance's row says; 0 without a row
--   difference  balance - expected: a bug or a manual change

-- One statement reads one snapshot, so that orders being worked meanwhile make no difference.
WITH ledger AS (
    SELECT
        user_id,
        count(*) AS entries,
        sum(points)::bigint AS points
    FROM points_entries
    GROUP BY user_id
), compared AS (
    SELECT
        user_id,
        coalesce(ledger.entries, 0) AS entries,
        coalesce(ledger.points, 0) AS expected,
        coalesce(points_balances.balance, 0) AS balance
    FROM ledger
    FULL JOIN points_balances USING (user_id)
)
SELECT
    user_id,
    entries,
    expected,
    balance,
    balance - expected AS difference
FROM compared
WHERE balance <> expected
ORDER BY user_id
LIMIT 1000;
