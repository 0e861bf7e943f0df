DROP TABLE stock_receipts;
DROP TABLE products;
