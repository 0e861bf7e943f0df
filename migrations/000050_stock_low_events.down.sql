-- As migration 42 made it.
CREATE OR REPLACE FUNCTION keep_stock_alert() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    INSERT INTO stock_alerts (sku, available, low_stock)
    VALUES (NEW.sku, NEW.available, NEW.low_stock);

    RETURN NULL;
END
$$;

COMMENT ON FUNCTION keep_stock_alert IS 'Keeps that the stock of a product became low';

DELETE FROM events WHERE type = 'stock.low';
ALTER TABLE events DROP COLUMN skus;

COMMENT ON TABLE events IS 'What became true of orders, for other services, in its order. Job prune deletes it after ORDERS_KEEP_EVENTS.';
