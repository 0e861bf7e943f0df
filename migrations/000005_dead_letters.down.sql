DROP TRIGGER dead_letters_keep ON river_job;
DROP FUNCTION keep_dead_letter;
DROP FUNCTION dead_letter_reason;
DROP FUNCTION error_signature;
DROP FUNCTION metadata_count;
DROP TABLE redrives;
DROP TABLE dead_letters;
