DROP FUNCTION time_of_uuid;
DROP TABLE stats_refusals;
DROP TABLE stats_latencies;
DROP TABLE stats_minutes;

DELETE FROM watermarks WHERE name = 'stats';
