ALTER TABLE orders
    DROP COLUMN note,
    DROP COLUMN metadata,
    DROP COLUMN reference,
    DROP COLUMN client;
