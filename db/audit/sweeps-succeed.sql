-- sentence: No sweep fails again and again: the last three runs of each were not all failures.
-- scope:    window
-- columns:
--   subject  the sweep
--   detail   how often it has failed, and the newest error

-- Sweeps are a few rows, and all of them are checked, whatever the window ($1).
SELECT
    name AS subject,
    format('failed %s times in sequence, the last time at %s: %s', failures, failed_at, left(error, 200)) AS detail
FROM sweeps
WHERE $1::timestamptz IS NOT NULL
    AND failures >= 3
ORDER BY name;
