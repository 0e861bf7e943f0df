-- Who did what. Placing an order writes no row here: the order has its client.
CREATE TABLE operator_actions (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL DEFAULT now(),
    actor       text NOT NULL,
    known_by    text NOT NULL,
    action      text NOT NULL,
    target_kind text NOT NULL,
    target_id   text NOT NULL,
    order_id    uuid,
    detail      jsonb NOT NULL DEFAULT '{}'
);

CREATE INDEX operator_actions_at_idx ON operator_actions (at, id);
CREATE INDEX operator_actions_actor_idx ON operator_actions (actor, at, id);
CREATE INDEX operator_actions_action_idx ON operator_actions (action, at, id);
CREATE INDEX operator_actions_target_idx ON operator_actions (target_id, target_kind, at, id);
CREATE INDEX operator_actions_order_idx ON operator_actions (order_id, at, id) WHERE order_id IS NOT NULL;

COMMENT ON TABLE operator_actions IS 'Who did what to orders, stock, dead letters, jobs, queues and tokens. Append-only. It has no personal data of customers.';
COMMENT ON COLUMN operator_actions.at IS 'Of the transaction that did it, so it is also the time of the rows that it wrote';
COMMENT ON COLUMN operator_actions.known_by IS 'How the actor was known: token, session, proxy, cli, setting, or insecure if no token was asked for';
COMMENT ON COLUMN operator_actions.target_id IS 'The order''s id, the product''s sku, the job''s id, the queue''s name, or the token''s id, as target_kind says';
COMMENT ON COLUMN operator_actions.order_id IS 'The order of the dead letter or job that is the target; null if the target is an order, or has none';

CREATE FUNCTION refuse_change() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION 'table % is append-only', TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$$;

COMMENT ON FUNCTION refuse_change IS 'Refuses to change or delete rows of an append-only table';

CREATE TRIGGER operator_actions_append_only
BEFORE UPDATE OR DELETE OR TRUNCATE ON operator_actions
FOR EACH STATEMENT
EXECUTE FUNCTION refuse_change();
