-- Whether each order of $1 has the effect of its step of $2.
SELECT NOT EXISTS (
    SELECT
    FROM unnest($1::uuid[], $2::text[]) AS ran (order_id, step)
    WHERE NOT EXISTS (
        SELECT
        FROM step_effects AS e
        WHERE e.order_id = ran.order_id
            AND e.step = ran.step
    )
);
