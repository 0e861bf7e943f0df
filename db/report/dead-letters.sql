-- title:    Open dead letters by what they died of
-- question: Which jobs were given up and still wait to be put right, of what did they die, and how many need a person?
-- columns:
--   kind       kind of job; the largest group comes first
--   reason     transient, permanent, poison, cancelled or unknown
--   signature  the error without ids, numbers and addresses
--   letters    open dead letters
--   attention  those of them that a person must look at
--   first_at   when the first of them died, UTC
--   last_at    when the last of them died, UTC

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
