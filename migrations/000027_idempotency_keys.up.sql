-- Every POST takes an Idempotency-Key, and the id of an operation is a key. Programs of the release before place orders with
-- keys as before.
ALTER TABLE idempotency_keys
    ALTER COLUMN order_id DROP NOT NULL,
    ADD COLUMN operation text NOT NULL DEFAULT 'place-order',
    ADD COLUMN result jsonb;

COMMENT ON TABLE idempotency_keys IS 'Idempotency-Keys of the last 24 hours, each written in the transaction of what its request did';
COMMENT ON COLUMN idempotency_keys.scope IS 'Whose key it is: all have one scope until clients have names';
COMMENT ON COLUMN idempotency_keys.request_hash IS 'SHA-256 of the decoded request: the same key with another request is refused. Empty for operations from before hashes were kept.';
COMMENT ON COLUMN idempotency_keys.order_id IS 'The order that place-order placed; null for other operations';
COMMENT ON COLUMN idempotency_keys.operation IS 'What was requested';
COMMENT ON COLUMN idempotency_keys.result IS 'What is returned when the request is sent again; null if that is the order as it is then';

INSERT INTO idempotency_keys (scope, key, request_hash, operation, result, created_at)
SELECT 'orders', id::text, coalesce(request_hash, ''), act, jsonb_build_object('operation_id', id, 'results', result), at
FROM operations
WHERE at > now() - interval '24 hours'
ON CONFLICT DO NOTHING;

DROP TABLE operations;
