ALTER TABLE products DROP COLUMN archived_at;

COMMENT ON COLUMN products.updated_at IS 'When name, price or currency last changed; stock has its ledgers';
