ALTER TABLE dead_letters DROP COLUMN sweep_failures;

DROP TABLE sweeps;
