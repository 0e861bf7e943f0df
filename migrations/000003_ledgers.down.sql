DROP TABLE notifications;
DROP TABLE points_balances;
DROP TABLE points_entries;
DROP TABLE stock_movements;
