DROP INDEX deliveries_state_idx;
