-- How a customer is told what becomes of an order. An order without them is no larger than before.
ALTER TABLE orders
    ADD COLUMN email text,
    ADD COLUMN locale text;

COMMENT ON COLUMN orders.email IS 'Where the customer gets mail about the order; null for nowhere. It is personal data, and may be set to null at any time.';
COMMENT ON COLUMN orders.locale IS 'The language of messages to the customer, as a tag of BCP 47; null for en';
