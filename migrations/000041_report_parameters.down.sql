DROP TABLE job_failures_by_hour;
DROP FUNCTION latency_bounds;
DROP FUNCTION report_text;
DROP FUNCTION report_time;
