ALTER TABLE orders
    DROP COLUMN locale,
    DROP COLUMN email;
