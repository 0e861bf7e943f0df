CREATE OR REPLACE TRIGGER dead_letters_keep
AFTER UPDATE ON river_job
FOR EACH ROW
WHEN (NEW.state IN ('discarded', 'cancelled')
    AND OLD.state NOT IN ('discarded', 'cancelled')
    AND NEW.kind NOT IN ('compensate', 'audit', 'prune', 'stats', 'alert')
    AND NOT NEW.metadata ? 'unique_key_conflict')
EXECUTE FUNCTION keep_dead_letter();

DROP TABLE deliveries;
DROP TABLE endpoints;
