CREATE TABLE dead_letters (
    job_id       bigint PRIMARY KEY,
    kind         text NOT NULL,
    queue        text NOT NULL,
    order_id     uuid,
    args         jsonb NOT NULL,
    errors       jsonb NOT NULL,
    error        text NOT NULL,
    attempts     int NOT NULL,
    reason       text NOT NULL CHECK (reason IN ('transient', 'permanent', 'poison', 'cancelled', 'unknown')),
    signature    text NOT NULL,
    redrives     int NOT NULL DEFAULT 0,
    dead_at      timestamptz NOT NULL DEFAULT now(),
    attention_at timestamptz,
    resolved_at  timestamptz,
    resolution   text CHECK (resolution IN ('redriven', 'compensated', 'applied', 'dismissed')),
    resolved_by  text NOT NULL DEFAULT '',
    note         text NOT NULL DEFAULT '',
    CHECK ((resolved_at IS NULL) = (resolution IS NULL))
);

COMMENT ON TABLE dead_letters IS 'Jobs that River gave up, written by a trigger on river_job in the transaction that gives up. Rows are never deleted; River''s own may be.';
COMMENT ON COLUMN dead_letters.order_id IS 'The order whose work it is; null for a job that names none';
COMMENT ON COLUMN dead_letters.errors IS 'The errors of all attempts, as River recorded them';
COMMENT ON COLUMN dead_letters.error IS 'The newest error''s text';
COMMENT ON COLUMN dead_letters.reason IS 'transient: a fault that goes by itself. permanent: no try will do. poison: its processes died again and again. cancelled: somebody did it.';
COMMENT ON COLUMN dead_letters.signature IS 'What letters that died of the same have in common: error_signature(kind, error)';
COMMENT ON COLUMN dead_letters.redrives IS 'How many redrives led to this job';
COMMENT ON COLUMN dead_letters.attention_at IS 'Since when a person must look; null while the system may still put it right';
COMMENT ON COLUMN dead_letters.resolution IS 'redriven: a new job has the work. compensated: the order was undone. applied: the effect is there after all. dismissed: nothing is to be done. Null while open.';
COMMENT ON COLUMN dead_letters.resolved_by IS 'Who resolved it; see note for why';

-- Open letters: as a list, as groups, and those that nobody has been asked about. Closed ones are in none of them.
CREATE INDEX dead_letters_open_idx ON dead_letters (dead_at, job_id) WHERE resolved_at IS NULL;
CREATE INDEX dead_letters_open_group_idx ON dead_letters (kind, signature, dead_at, job_id) WHERE resolved_at IS NULL;
CREATE INDEX dead_letters_due_idx ON dead_letters (dead_at, job_id) WHERE resolved_at IS NULL AND attention_at IS NULL;
-- The letters of an order, and all of them by time.
CREATE INDEX dead_letters_order_idx ON dead_letters (order_id, job_id) WHERE order_id IS NOT NULL;
CREATE INDEX dead_letters_dead_idx ON dead_letters (dead_at, job_id);

CREATE TABLE redrives (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    operation_id uuid NOT NULL,
    job_id       bigint NOT NULL,
    outcome      text NOT NULL,
    new_job_id   bigint,
    actor        text NOT NULL,
    note         text NOT NULL DEFAULT '',
    at           timestamptz NOT NULL DEFAULT now(),
    UNIQUE (operation_id, job_id)
);

COMMENT ON TABLE redrives IS 'Who asked for a redrive of which dead letter, and what came of it; the key makes an operation that is repeated do nothing twice';
COMMENT ON COLUMN redrives.operation_id IS 'One act, of one letter or of many';
COMMENT ON COLUMN redrives.job_id IS 'The letter';
COMMENT ON COLUMN redrives.new_job_id IS 'The job that has the letter''s work now; null unless the outcome is redriven';

CREATE INDEX redrives_job_idx ON redrives (job_id, id);
CREATE INDEX redrives_new_job_idx ON redrives (new_job_id) WHERE new_job_id IS NOT NULL;

-- A count in a job's metadata, which anybody may have written.
CREATE FUNCTION metadata_count(metadata jsonb, name text) RETURNS int
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN metadata ->> name ~ '^[0-9]{1,6}$' THEN (metadata ->> name)::int ELSE 0 END;

COMMENT ON FUNCTION metadata_count IS 'A count in a job''s metadata; 0 for what is none';

CREATE FUNCTION dead_letter_reason(state text, metadata jsonb, error text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN metadata ? 'cancel_attempted_at' THEN 'cancelled'
    WHEN metadata_count(metadata, 'river:rescue_count') + metadata_count(metadata, 'orders:returned') >= 3 THEN 'poison'
    WHEN error ~ '^(JobCancelError: |not-found:)' THEN 'permanent'
    WHEN state = 'cancelled' THEN 'cancelled' -- by hand: whoever works a job leaves an error
    WHEN error ~ '^(unavailable:|context deadline exceeded|Stuck job rescued)' THEN 'transient'
    ELSE 'unknown'
END;

COMMENT ON FUNCTION dead_letter_reason IS 'Why a job is dead, by how it ended and how its newest error begins: ours begin with their code';

-- What differs from one job to the next is taken out of the first line, the long before the short: addresses, quoted
-- values, moments, ids, numbers. Names of the schema and SQLSTATEs say what is wrong and stay.
CREATE FUNCTION error_signature(kind text, error text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN left(trim(kind || ': ' ||
    regexp_replace(
    regexp_replace(
    regexp_replace(
    regexp_replace(
    regexp_replace(
    regexp_replace(
    regexp_replace(
    regexp_replace(
    regexp_replace(
    regexp_replace(left(split_part(error, E'\n', 1), 2000),
        '^JobCancelError: ', ''),
        '[a-z][a-z0-9+.-]*://[^\s"''`<>)]+', '?', 'gi'),
        '(?<!(relation|column|constraint|index|table|type|function|schema|trigger|sequence|view|operator) )"[^"]*"|`[^`]*`|(?<!\w)''[^'']*''(?!\w)',
        '?', 'g'),
        '\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?( ?(Z|UTC|[+-]\d\d:?\d\d))?)?', '?', 'g'),
        '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}', '?', 'gi'),
        '\[[0-9a-f.]*:[0-9a-f:.%a-z]*\](:\d+)?|\m\d{1,3}(\.\d{1,3}){3}\M(:\d+)?|\m[a-z0-9][a-z0-9.-]*:\d+\M', '?', 'gi'),
        '(?<![\w?])(/[\w.@+-]+){2,}', '?', 'g'),
        '\m0x[0-9a-f]+\M|(?<!SQLSTATE )\m(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{8,}\M', '?', 'gi'),
        '(?<!SQLSTATE )((?<!\w)-)?\m\d+(\.\d+)?(ns|us|µs|ms|s|m|h)?\M|(?<!SQLSTATE [0-9A-Z]{0,4})\d{3,}', '?', 'g'),
        '\s+', ' ', 'g')), 250);

COMMENT ON FUNCTION error_signature IS 'A kind and an error without what differs from job to job, to group by; at most 250 characters';

-- An error in here must never reach River: a job that cannot be finalised is worked again and again. What cannot be
-- kept whole is kept as little as goes, and when that does not go either, there is a warning in Postgres' log. The
-- search_path is that of the migration, whatever the session that gives a job up has.
CREATE FUNCTION keep_dead_letter() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    newest text := '';
BEGIN
    BEGIN
        newest := coalesce(NEW.errors[array_upper(NEW.errors, 1)] ->> 'error', '');

        INSERT INTO dead_letters (job_id, kind, queue, order_id, args, errors, error, attempts, reason, signature, redrives)
        VALUES (
            NEW.id,
            NEW.kind,
            NEW.queue,
            CASE WHEN NEW.args ->> 'order_id' ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN (NEW.args ->> 'order_id')::uuid END,
            NEW.args,
            to_jsonb(coalesce(NEW.errors, '{}')),
            newest,
            NEW.attempt,
            dead_letter_reason(NEW.state::text, NEW.metadata, newest),
            error_signature(NEW.kind, newest),
            metadata_count(NEW.metadata, 'orders:redrives')
        )
        -- A job that somebody has retried in River UI, and that is dead once more.
        ON CONFLICT (job_id) DO UPDATE
        SET args = EXCLUDED.args,
            errors = EXCLUDED.errors,
            error = EXCLUDED.error,
            attempts = EXCLUDED.attempts,
            reason = EXCLUDED.reason,
            signature = EXCLUDED.signature,
            dead_at = EXCLUDED.dead_at,
            attention_at = NULL,
            resolved_at = NULL,
            resolution = NULL,
            resolved_by = '',
            note = '';
    EXCEPTION WHEN OTHERS THEN
        RAISE WARNING 'dead letter of job % is not kept whole: %', NEW.id, SQLERRM;

        BEGIN
            INSERT INTO dead_letters (job_id, kind, queue, args, errors, error, attempts, reason, signature)
            VALUES (NEW.id, NEW.kind, NEW.queue, NEW.args, '[]', newest, NEW.attempt, 'unknown', NEW.kind)
            ON CONFLICT (job_id) DO UPDATE
            SET resolved_at = NULL,
                resolution = NULL;
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING 'dead letter of job % is not kept: %', NEW.id, SQLERRM;
        END;
    END;

    RETURN NULL;
END
$$;

COMMENT ON FUNCTION keep_dead_letter IS 'Keeps a job that is given up as a dead letter. It never raises.';

-- Whoever discards or cancels: a worker, the rescuer, the scheduler, River UI, psql. Not a loss: a sweep, whose next
-- period comes anyway, and a job that the scheduler drops because its twin is there. River's other updates only pay
-- for the condition.
CREATE TRIGGER dead_letters_keep
AFTER UPDATE ON river_job
FOR EACH ROW
WHEN (NEW.state IN ('discarded', 'cancelled')
    AND OLD.state NOT IN ('discarded', 'cancelled')
    AND NEW.kind NOT IN ('compensate', 'audit', 'prune')
    AND NOT NEW.metadata ? 'unique_key_conflict')
EXECUTE FUNCTION keep_dead_letter();
