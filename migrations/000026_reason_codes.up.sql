-- Why an order ended, for programs. Programs of the release before write no code, so reading derives it from their texts.
ALTER TABLE orders ADD COLUMN status_reason_code text;

COMMENT ON COLUMN orders.status_reason_code IS 'Why the order ended, for programs. Null if it has not ended, or if a program before schema 26 ended it: reason_code() tells it then.';

CREATE FUNCTION reason_code(status text, status_reason text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN status = 'rejected' AND status_reason LIKE 'out of stock: %' THEN 'out_of_stock'
    WHEN status = 'expired' AND status_reason = 'not paid in time' THEN 'payment_overdue'
    WHEN status = 'expired' AND status_reason = 'not processed in time' THEN 'processing_overdue'
    WHEN status = 'cancelled' THEN 'cancelled_by_client' -- only clients could cancel orders
    WHEN status = 'failed' AND status_reason LIKE 'the % step could not be done' THEN 'step_failed'
    WHEN status = 'failed' AND status_reason LIKE 'an operator cancelled the job of the % step' THEN 'cancelled_by_operator'
    WHEN status IN ('rejected', 'expired', 'cancelled', 'failed') THEN 'other'
END;

COMMENT ON FUNCTION reason_code IS 'The status_reason_code of an order that a program before schema 26 ended; null for an order that has not ended';

-- Null for all lines that are there: that is known of none of them.
ALTER TABLE order_lines ADD COLUMN available bigint;

COMMENT ON COLUMN order_lines.available IS 'What was left of the product when the order was rejected, if that was too little; else null';
