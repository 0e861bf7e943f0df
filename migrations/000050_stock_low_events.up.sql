-- Other services learn, too, that the stock of a product became low. Programs of before read the types that they know.
ALTER TABLE events ADD COLUMN skus text[];

COMMENT ON TABLE events IS 'What became true of orders and products, for other services, in its order. Job prune deletes it after ORDERS_KEEP_EVENTS.';
COMMENT ON COLUMN events.skus IS 'One event for each of these products; null for events of orders';

-- The transaction has updated the product, so it has its id before it draws a seq: package db/event relies on that.
CREATE OR REPLACE FUNCTION keep_stock_alert() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    INSERT INTO stock_alerts (sku, available, low_stock)
    VALUES (NEW.sku, NEW.available, NEW.low_stock);

    INSERT INTO events (type, order_ids, skus)
    VALUES ('stock.low', '{}', ARRAY[NEW.sku]);

    RETURN NULL;
END
$$;

COMMENT ON FUNCTION keep_stock_alert IS 'Keeps that the stock of a product became low, and tells other services';
