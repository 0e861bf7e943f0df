-- What clients know an order by, and what they keep with it.
ALTER TABLE orders
    ADD COLUMN client text NOT NULL DEFAULT '',
    ADD COLUMN reference text,
    ADD COLUMN metadata jsonb,
    ADD COLUMN note text;

COMMENT ON COLUMN orders.client IS 'Whose order it is; empty until clients have names';
COMMENT ON COLUMN orders.reference IS 'The client''s own number of the order, which no other order of the client has; null for none';
COMMENT ON COLUMN orders.metadata IS 'What the client keeps with the order: an object of strings, null for none. It may be personal data.';
COMMENT ON COLUMN orders.note IS 'Free text of the client; null for none. It may be personal data.';
