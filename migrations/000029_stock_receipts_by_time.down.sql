DROP INDEX IF EXISTS stock_receipts_list_idx;
