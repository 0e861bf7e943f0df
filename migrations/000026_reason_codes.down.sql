ALTER TABLE order_lines DROP COLUMN available;

DROP FUNCTION reason_code;

ALTER TABLE orders DROP COLUMN status_reason_code;
