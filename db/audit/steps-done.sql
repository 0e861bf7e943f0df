-- sentence: No step that an order must have is undone, and no customer was notified of an end that the order did not come to.
-- scope:    orders
-- columns:
--   subject  the order
--   detail   what should not be there

-- A step that is not done yet is no fault here: open-steps knows whether something will do it.
WITH fault (order_id, fault) AS (
    SELECT due_steps.order_id, format('the %s step is due, but was undone', due_steps.step)
    FROM due_steps
    CROSS JOIN LATERAL (
        SELECT bool_or(void) AS void
        FROM step_effects
        WHERE step_effects.order_id = due_steps.order_id
            AND step_effects.step = due_steps.step
            AND step_effects.template = due_steps.template
        OFFSET 0
    ) AS effect
    WHERE due_steps.order_id = ANY($1::uuid[])
        AND effect.void
    UNION ALL
    SELECT orders.id, format('the customer was notified %I, but the order is %s', notifications.template, orders.status)
    FROM orders
    JOIN notifications ON notifications.order_id = orders.id
    WHERE orders.id = ANY($1)
        AND notifications.template IN ('rejected', 'cancelled', 'expired', 'failed')
        AND notifications.template <> orders.status
)
SELECT
    order_id::text AS subject,
    string_agg(fault, '; ' ORDER BY fault) AS detail
FROM fault
GROUP BY order_id
ORDER BY order_id;
