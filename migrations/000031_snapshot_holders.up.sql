-- What keeps Postgres from removing dead rows. The sessions of VACUUM keep nothing; autovacuum's are left out.
CREATE VIEW snapshot_holders AS
SELECT
    CASE WHEN datname IS NULL THEN 'standby' ELSE 'session' END AS kind,
    NULL::text AS name,
    pid,
    application_name AS application,
    usename::text AS role,
    state,
    xact_start AS since,
    greatest(age(backend_xmin), age(backend_xid)) AS transactions
FROM pg_stat_activity
WHERE coalesce(backend_xmin, backend_xid) IS NOT NULL
    AND (datname = current_database() OR datname IS NULL)
    AND usesysid IS NOT NULL -- as autovacuum's have not; a role without privileges does not see backend_type
    AND leader_pid IS NULL
    AND pid <> pg_backend_pid()
UNION ALL
SELECT 'prepared transaction', gid, NULL, NULL, owner::text, NULL, prepared, age(transaction)
FROM pg_prepared_xacts
WHERE database = current_database()
UNION ALL
SELECT 'replication slot', slot.slot_name::text, slot.active_pid, standby.application_name, standby.usename::text, standby.state, NULL, age(slot.xmin)
FROM pg_replication_slots AS slot
LEFT JOIN pg_stat_activity AS standby ON standby.pid = slot.active_pid
WHERE slot.xmin IS NOT NULL;

COMMENT ON VIEW snapshot_holders IS 'What may still see rows that are dead, so that they cannot be removed: open transactions, and standbys with hot_standby_feedback';
COMMENT ON COLUMN snapshot_holders.kind IS 'session, prepared transaction, replication slot or standby';
COMMENT ON COLUMN snapshot_holders.name IS 'Of the prepared transaction or the slot';
COMMENT ON COLUMN snapshot_holders.state IS 'Of the session; null if the reader may not see it, which takes pg_read_all_stats';
COMMENT ON COLUMN snapshot_holders.since IS 'When the transaction began; null for standbys and slots, and if the reader may not see it';
COMMENT ON COLUMN snapshot_holders.transactions IS 'How many transactions have begun since, in all databases of the server';
