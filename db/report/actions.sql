-- title:    Actions
-- question: Who did what to orders, stock, dead letters, queues and tokens?
-- parameters:
--   since   time  now-1d  actions from then on
--   until   time  -       and before
--   actor   text  -       only what this actor did
-- columns:
--   at           when, UTC; the newest first
--   actor        the name of the token, the user that the proxy named, or cli: with the user of the machine
--   known_by     how the actor was known: token, session, proxy, cli, setting, or insecure if no token was asked for
--   action       what was done
--   target_kind  order, product, dead_letter, job, queue, token or route
--   target_id    what it was done to
--   order_id     the order of the dead letter or job; null if there is none, and if the target is the order
--   detail       more about it, as JSON

SELECT
    at,
    actor,
    known_by,
    action,
    target_kind,
    target_id,
    order_id::text AS order_id,
    detail::text AS detail
FROM operator_actions
WHERE at >= report_time('since', now() - interval '1 day')
    AND at < report_time('until', '9999-01-01Z')
    AND actor = coalesce(report_text('actor'), actor)
ORDER BY operator_actions.at DESC, id DESC;
