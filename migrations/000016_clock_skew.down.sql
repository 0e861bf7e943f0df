ALTER TABLE workers DROP COLUMN clock_skew;
