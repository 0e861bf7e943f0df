-- title:    Deliveries by endpoint and state
-- question: What became of the events that were sent to each endpoint?
-- parameters:
--   since  time  now-1d  deliveries whose first attempt was then or later; they are kept as long as events are
--   until  time  -       and before
-- columns:
--   endpoint        the webhook's id, or mail; the one that has failed for longest comes first
--   host            where it is
--   endpoint_state  active, failing, paused or disabled, now
--   state           of the deliveries: sent, waiting, failed or suppressed
--   deliveries      how many of them
--   attempts        that were made for them
--   last_at         when one of them changed last, UTC
--   last_status     status of the last answer about the newest of them; 0 if there was none
--   last_answer     the beginning of that answer

WITH counts AS (
    SELECT
        endpoint_id,
        state,
        count(*) AS deliveries,
        sum(attempts)::bigint AS attempts,
        max(id) AS newest,
        max(updated_at) AS last_at
    FROM deliveries
    WHERE created_at >= report_time('since', now() - interval '1 day')
        AND created_at < report_time('until', '9999-01-01Z')
    GROUP BY endpoint_id, state
)
SELECT
    CASE endpoints.kind WHEN 'mail' THEN 'mail' ELSE counts.endpoint_id::text END AS endpoint,
    substring(endpoints.url FROM '^[a-z]+://([^/?#]+)') AS host,
    CASE
        WHEN endpoints.disabled_at IS NOT NULL THEN 'disabled'
        WHEN endpoints.paused_until IS NOT NULL THEN 'paused'
        WHEN endpoints.failing_since IS NOT NULL THEN 'failing'
        ELSE 'active'
    END AS endpoint_state,
    counts.state,
    counts.deliveries,
    counts.attempts,
    counts.last_at,
    newest.status::bigint AS last_status,
    newest.answer AS last_answer
FROM counts
JOIN endpoints ON endpoints.id = counts.endpoint_id
-- The delivery that was made last stands for those of its state.
JOIN deliveries AS newest ON newest.id = counts.newest
ORDER BY endpoints.failing_since, endpoint, counts.state;
