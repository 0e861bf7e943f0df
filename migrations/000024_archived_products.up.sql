ALTER TABLE products ADD COLUMN archived_at timestamptz;

COMMENT ON COLUMN products.archived_at IS 'Since when the product cannot be ordered; null if it can';
COMMENT ON COLUMN products.updated_at IS 'When name, price, currency or archived_at last changed; stock has its ledgers';
