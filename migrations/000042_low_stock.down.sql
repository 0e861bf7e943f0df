DROP TRIGGER products_stock_alert ON products;
DROP FUNCTION keep_stock_alert;
DROP TABLE stock_alerts;
ALTER TABLE products DROP COLUMN low_stock;
