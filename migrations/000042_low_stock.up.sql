-- Below low_stock the stock of a product is low. 0 is never low, so programs of before need not know the column.
ALTER TABLE products ADD COLUMN low_stock bigint NOT NULL DEFAULT 0;

COMMENT ON COLUMN products.low_stock IS 'Below this the stock is low, and a row of stock_alerts is written; 0 for never';

CREATE TABLE stock_alerts (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sku       text NOT NULL REFERENCES products,
    at        timestamptz NOT NULL DEFAULT now(),
    available bigint NOT NULL,
    low_stock bigint NOT NULL
);

CREATE INDEX stock_alerts_sku_idx ON stock_alerts (sku, at);

COMMENT ON TABLE stock_alerts IS 'When the stock of a product became low: an order, an adjustment or a new threshold made it so. Written by a trigger on products.';
COMMENT ON COLUMN stock_alerts.available IS 'What was left';
COMMENT ON COLUMN stock_alerts.low_stock IS 'The threshold then';

CREATE FUNCTION keep_stock_alert() RETURNS trigger
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

-- Nearly all changes of stock pay for the condition only.
CREATE TRIGGER products_stock_alert
AFTER UPDATE OF available, low_stock ON products
FOR EACH ROW
WHEN (NEW.available < NEW.low_stock AND OLD.available >= OLD.low_stock)
EXECUTE FUNCTION keep_stock_alert();
