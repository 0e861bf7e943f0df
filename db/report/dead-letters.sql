-- title:    Open dead letters by cause
-- question: Which jobs were given up and are not resolved, what was the cause, and how many need an operator?
-- columns:
--   kind       kind of job; the largest group comes first
--   reason     transient, permanent, poison, cancelled or unknown
--   signature  the error without ids, numbers and addresses
--   letters    open dead letters
--   attention  those of them about which an operator must decide
--   first_at   when the first of them was given up, UTC
--   last_at    when the last of them was given up, UTC

SELECT
    kind,
    reason,
    signature,
    count(*) AS letters,
    count(attention_at) AS attention,
    min(dead_at) AS first_at,
    max(dead_at) AS last_at
FROM dead_letters
WHERE resolved_at IS NULL
GROUP BY kind, reason, signature
ORDER BY letters DESC, kind, signature, reason;
