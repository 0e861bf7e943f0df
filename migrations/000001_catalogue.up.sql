CREATE TABLE products (
    sku        text PRIMARY KEY,
    name       text NOT NULL,
    price      bigint NOT NULL CHECK (price >= 0),
    currency   text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    available  bigint NOT NULL DEFAULT 0 CHECK (available >= 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

COMMENT ON TABLE products IS 'What can be ordered and how much of it is left. Rows are never deleted. Half-empty pages keep stock updates heap-only.';
COMMENT ON COLUMN products.price IS 'Minor units of the currency; orders keep the price of the moment they were placed';
COMMENT ON COLUMN products.currency IS 'ISO 4217 code';
COMMENT ON COLUMN products.available IS 'Stock no order has taken: received - deducted + released';
COMMENT ON COLUMN products.updated_at IS 'When name, price or currency last changed; stock has its ledgers';

CREATE TABLE stock_receipts (
    sku       text NOT NULL REFERENCES products (sku),
    reference text NOT NULL,
    quantity  bigint NOT NULL CHECK (quantity > 0),
    at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (sku, reference)
);

COMMENT ON TABLE stock_receipts IS 'Ledger of stock that came in; the key makes a receipt count once however often it is sent';
COMMENT ON COLUMN stock_receipts.reference IS 'The sender''s name for the delivery, such as a purchase order number';
