-- Each ledger is append-only, and its primary key is the lock that makes a step's effect happen once. Ledgers have no
-- foreign key to orders: every row is written by a statement that reads its order, and a key's check would lock the
-- order's row, for which points and notifications would then wait.

CREATE TABLE stock_movements (
    order_id uuid NOT NULL,
    sku      text NOT NULL,
    kind     text NOT NULL CHECK (kind IN ('deduct', 'release')),
    quantity bigint NOT NULL CHECK (quantity >= 0),
    at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (order_id, sku, kind)
);

COMMENT ON TABLE stock_movements IS 'Ledger of stock that orders took (deduct) and gave back (release)';
COMMENT ON COLUMN stock_movements.quantity IS 'Always counted up; the kind says which way. 0 is a void: the step must not happen any more.';

CREATE TABLE points_entries (
    order_id uuid NOT NULL,
    kind     text NOT NULL CHECK (kind IN ('earn', 'reverse')),
    user_id  text NOT NULL,
    points   bigint NOT NULL,
    at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (order_id, kind)
);

COMMENT ON TABLE points_entries IS 'Ledger of points that orders earned and that were taken back';
COMMENT ON COLUMN points_entries.points IS 'Negative for reverse. 0 is a void: the order must not earn any more.';

CREATE INDEX points_entries_user_idx ON points_entries (user_id, at, order_id, kind);

CREATE TABLE points_balances (
    user_id text PRIMARY KEY,
    balance bigint NOT NULL
) WITH (fillfactor = 50);

COMMENT ON TABLE points_balances IS 'Sum of each customer''s points_entries, kept in the transaction that writes them';

CREATE TABLE notifications (
    order_id uuid NOT NULL,
    template text NOT NULL,
    user_id  text NOT NULL,
    body     text NOT NULL,
    at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (order_id, template)
);

COMMENT ON TABLE notifications IS 'The customers'' inbox; an order sends each template once';
COMMENT ON COLUMN notifications.body IS 'The words as the customer reads them';

CREATE INDEX notifications_user_idx ON notifications (user_id, at, order_id, template);
