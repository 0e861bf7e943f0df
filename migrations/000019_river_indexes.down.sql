DROP INDEX IF EXISTS river_job_kind;
DROP INDEX IF EXISTS river_job_args_index;
DROP INDEX IF EXISTS river_job_metadata_index;
