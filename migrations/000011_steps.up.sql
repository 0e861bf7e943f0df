-- What the program declares in order.Steps, for SQL. A test compares the two. A migration that adds a step adds its row
-- here, with since => now(), and its ledger to step_effects.
CREATE TABLE steps (
    name          text PRIMARY KEY,
    template      text NOT NULL DEFAULT '',
    due_in        text[] NOT NULL,
    after_payment boolean NOT NULL DEFAULT false,
    reversible    boolean NOT NULL DEFAULT true,
    since         timestamptz
);

COMMENT ON TABLE steps IS 'The pieces of asynchronous work that an order causes. Reading an order, the audit, repair and reports range over this table.';
COMMENT ON COLUMN steps.name IS 'Also the kind of the step''s job';
COMMENT ON COLUMN steps.template IS 'The message that the step sends to the customer; empty for a step that sends none';
COMMENT ON COLUMN steps.due_in IS 'An order in one of these statuses has the step, or will get it';
COMMENT ON COLUMN steps.after_payment IS 'A held order gets the step when it is paid, and not before';
COMMENT ON COLUMN steps.reversible IS 'Ending an order makes the step net to zero; a message cannot be unsent';
COMMENT ON COLUMN steps.since IS 'Orders from before that time are settled without the step; null when all orders have it';

INSERT INTO steps (name, template, due_in, after_payment, reversible)
VALUES
    ('inventory', '', '{pending,awaiting_payment,confirmed}', false, true),
    ('points', '', '{pending,confirmed}', true, true),
    ('notification', 'created', '{pending,awaiting_payment,confirmed}', false, false);

-- A step that a later migration adds is due from then on, also if the migration does not say so.
ALTER TABLE steps ALTER COLUMN since SET DEFAULT now();

-- Each step has a view of its effects: the rows of its ledger, plain enough for the planner to look into it by its key.
CREATE VIEW inventory_effects AS
SELECT
    order_id,
    'inventory' AS step,
    '' AS template,
    at,
    kind = 'release' AS void,
    'stock_movements' AS ledger,
    jsonb_build_object('kind', kind, 'sku', sku, 'quantity', quantity) AS detail
FROM stock_movements
UNION ALL
-- Orders that ended before any of their stock was taken: their status is what keeps the step from running.
-- WHERE ledger <> 'orders' leaves this branch out.
SELECT
    id,
    'inventory',
    '',
    updated_at,
    status <> 'rejected', -- a rejected order is what the step came to
    'orders',
    jsonb_build_object('kind', 'none')
FROM orders
WHERE status IN ('rejected', 'cancelled', 'expired', 'failed')
    AND NOT EXISTS (SELECT FROM stock_movements WHERE order_id = orders.id);

CREATE VIEW points_effects AS
SELECT
    order_id,
    'points' AS step,
    '' AS template,
    at,
    kind = 'reverse' OR points = 0 AS void,
    'points_entries' AS ledger,
    jsonb_build_object('kind', kind, 'points', points) AS detail
FROM points_entries;

CREATE VIEW notification_effects AS
SELECT
    order_id,
    'notification' AS step,
    template,
    at,
    false AS void,
    'notifications' AS ledger,
    jsonb_build_object('template', template, 'body', body) AS detail
FROM notifications;

CREATE VIEW step_effects AS
SELECT order_id, step, template, at, void, ledger, detail FROM inventory_effects
UNION ALL
SELECT order_id, step, template, at, void, ledger, detail FROM points_effects
UNION ALL
SELECT order_id, step, template, at, void, ledger, detail FROM notification_effects;

COMMENT ON VIEW inventory_effects IS 'The effects of step inventory, with the columns of step_effects';
COMMENT ON VIEW points_effects IS 'The effects of step points, with the columns of step_effects';
COMMENT ON VIEW notification_effects IS 'The effects of step notification, with the columns of step_effects';
COMMENT ON VIEW step_effects IS 'Every row of every step''s ledger. A step is done when it has a row, and nets to zero when one of its rows is a void.';
COMMENT ON COLUMN step_effects.void IS 'The row undoes the step''s effect, or keeps the step from ever having one';
COMMENT ON COLUMN step_effects.ledger IS 'The table that the row comes from';
COMMENT ON COLUMN step_effects.detail IS 'What the row holds, for operators';

CREATE VIEW due_steps AS
SELECT
    orders.id AS order_id,
    steps.name AS step,
    steps.template,
    orders.status,
    orders.updated_at
FROM orders
JOIN steps ON orders.status = ANY(steps.due_in)
    AND (NOT steps.after_payment OR orders.hold_until IS NULL OR orders.status = 'confirmed')
    AND (steps.since IS NULL OR orders.id >= uuid_at(steps.since));

COMMENT ON VIEW due_steps IS 'The steps that each order must have in its status, or will get';

-- OFFSET 0 makes the planner use one index look-up a step: while the statistics of queue and ledgers are old, it might
-- hash whole tables.
CREATE VIEW undone_steps AS
SELECT order_id, step, template, status, updated_at
FROM due_steps
WHERE NOT EXISTS (
    SELECT
    FROM step_effects
    WHERE step_effects.order_id = due_steps.order_id
        AND step_effects.step = due_steps.step
        AND step_effects.template = due_steps.template
    OFFSET 0
);

COMMENT ON VIEW undone_steps IS 'The due steps that their ledger does not have yet';

DROP FUNCTION job_keys;

CREATE VIEW open_steps AS
SELECT order_id, step, template, status, updated_at
FROM undone_steps
WHERE NOT EXISTS (
        SELECT
        FROM live_jobs
        WHERE unique_key = job_key(undone_steps.step, undone_steps.order_id, undone_steps.template)
        OFFSET 0
    )
    AND NOT EXISTS (
        SELECT
        FROM dead_letters
        WHERE dead_letters.order_id = undone_steps.order_id
            AND kind = undone_steps.step
            AND coalesce(args ->> 'template', '') = undone_steps.template
            AND (resolved_at IS NULL OR resolution = 'dismissed') -- an operator decided that nothing is to be done
        OFFSET 0
    );

COMMENT ON VIEW open_steps IS 'The undone steps that nothing will do: no live job, and no dead letter that is open or was dismissed. There should be none.';

CREATE VIEW order_job_kinds AS
SELECT name AS kind, template
FROM steps
UNION ALL
SELECT 'expire', '';

COMMENT ON VIEW order_job_kinds IS 'The jobs that an order may have: job_key(kind, order_id, template) finds each in live_jobs';

COMMENT ON VIEW live_jobs IS 'The jobs that have not ended. Find those of an order by unique_key = job_key(kind, order_id, template), with kind and template from order_job_kinds: a search by args reads the whole table.';
