-- Adjustments are rows of stock_receipts. Programs of before add up its quantities, so their audits stay right.
ALTER TABLE stock_receipts
    ADD COLUMN reason text,
    ADD COLUMN counted bigint,
    ADD COLUMN note text NOT NULL DEFAULT '',
    DROP CONSTRAINT stock_receipts_quantity_check,
    ADD CONSTRAINT stock_receipts_quantity_check CHECK (quantity > 0 OR reason IS NOT NULL) NOT VALID,
    ADD CONSTRAINT stock_receipts_reason_check
        CHECK (reason IN ('stock_take', 'damaged', 'lost', 'returned', 'correction')) NOT VALID,
    ADD CONSTRAINT stock_receipts_counted_check CHECK ((counted IS NOT NULL) = (reason IS NOT DISTINCT FROM 'stock_take')) NOT VALID;

COMMENT ON TABLE stock_receipts IS 'Ledger of stock that came in and of adjustments of the stock; the key makes each count once, even if it is sent again';
COMMENT ON COLUMN stock_receipts.reference IS 'The sender''s name for the receipt or the adjustment, for example a purchase order number';
COMMENT ON COLUMN stock_receipts.quantity IS 'How much the stock changed; negative if an adjustment took it away';
COMMENT ON COLUMN stock_receipts.reason IS 'Why the stock was adjusted; null for a receipt';
COMMENT ON COLUMN stock_receipts.counted IS 'How much a stock-take counted: quantity is its difference to what was available';
COMMENT ON COLUMN products.available IS 'Stock no order has taken: received (with adjustments) - deducted + released';
