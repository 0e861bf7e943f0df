COMMENT ON COLUMN order_lines.order_id IS NULL;

ALTER TABLE order_lines ADD CONSTRAINT order_lines_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders (id);
