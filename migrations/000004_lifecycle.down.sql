DROP TABLE watermarks;
DROP FUNCTION uuid_at;
DROP INDEX orders_hold_idx;
DROP TABLE order_events;
DROP TABLE payments;
