CREATE TABLE operations (
    id           uuid PRIMARY KEY,
    act          text NOT NULL,
    request_hash bytea,
    result       jsonb NOT NULL,
    actor        text NOT NULL,
    at           timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE operations IS 'Acts of operators by their operation id: repeating one returns its result and changes nothing';
COMMENT ON COLUMN operations.request_hash IS 'SHA-256 of the request: the id is refused with another one. Null for acts from before this table.';
COMMENT ON COLUMN operations.result IS 'What came of each dead letter';

DELETE FROM idempotency_keys
WHERE order_id IS NULL;

ALTER TABLE idempotency_keys
    DROP COLUMN result,
    DROP COLUMN operation,
    ALTER COLUMN order_id SET NOT NULL;

COMMENT ON TABLE idempotency_keys IS 'Idempotency-Keys of the last 24 hours, each written in the transaction of its order';
COMMENT ON COLUMN idempotency_keys.scope IS 'Whose key it is: the operation';
COMMENT ON COLUMN idempotency_keys.request_hash IS 'SHA-256 of the decoded request: the same key with another request is refused';
COMMENT ON COLUMN idempotency_keys.order_id IS NULL;
