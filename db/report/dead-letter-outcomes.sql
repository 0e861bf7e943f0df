-- title:    Dead letters open and resolved
-- question: Which jobs were given up, what was the cause, and what became of them?
-- parameters:
--   since  time  now-7d  jobs given up from then on
--   until  time  -       and before
-- columns:
--   kind         kind of job; the largest group comes first
--   reason       transient, permanent, poison, cancelled or unknown
--   signature    the error without ids, numbers and addresses
--   letters      dead letters
--   open         those that are not resolved
--   redriven     those whose work a new job has or had
--   compensated  those whose order was undone
--   applied      those whose effect exists after all
--   dismissed    those of which an operator decided that nothing is to be done
--   first_at     when the first of them was given up, UTC
--   last_at      when the last of them was given up, UTC

SELECT
    kind,
    reason,
    signature,
    count(*) AS letters,
    count(*) FILTER (WHERE resolved_at IS NULL) AS open,
    count(*) FILTER (WHERE resolution = 'redriven') AS redriven,
    count(*) FILTER (WHERE resolution = 'compensated') AS compensated,
    count(*) FILTER (WHERE resolution = 'applied') AS applied,
    count(*) FILTER (WHERE resolution = 'dismissed') AS dismissed,
    min(dead_at) AS first_at,
    max(dead_at) AS last_at
FROM dead_letters
WHERE dead_at >= report_time('since', now() - interval '7 days')
    AND dead_at < report_time('until', '9999-01-01Z')
GROUP BY kind, reason, signature
ORDER BY letters DESC, kind, signature, reason;
