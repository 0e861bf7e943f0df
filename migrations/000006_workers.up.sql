CREATE TABLE workers (
    id         text PRIMARY KEY,
    host       text NOT NULL,
    pid        integer NOT NULL,
    version    text NOT NULL,
    queues     jsonb NOT NULL,
    lock_key   integer,
    sessions   text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    seen_at    timestamptz NOT NULL DEFAULT now(),
    ended_at   timestamptz,
    returned   bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

COMMENT ON TABLE workers IS 'The worker processes: those that live, and for an hour those that were found dead. One that stops by itself has no row.';
COMMENT ON COLUMN workers.id IS 'Also its name in river_job.attempted_by and river_leader.leader_id';
COMMENT ON COLUMN workers.pid IS 'Of its process on its host';
COMMENT ON COLUMN workers.queues IS 'How many jobs it runs at once, by queue';
COMMENT ON COLUMN workers.lock_key IS
    'Second key of the advisory lock (1330791506, lock_key) that it holds while it lives; null when a pooler stands between, which makes locks tell nothing';
COMMENT ON COLUMN workers.sessions IS 'application_name of its sessions and of no others, by which they can be ended; empty when they have none of their own';
COMMENT ON COLUMN workers.seen_at IS 'Set by itself every second';
COMMENT ON COLUMN workers.ended_at IS 'When another worker found it dead; null while it lives';
COMMENT ON COLUMN workers.returned IS 'How many jobs were put back for it when it was found dead';
