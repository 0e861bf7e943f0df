-- title:    Sessions
-- question: Which sessions hold locks on tables, or keep dead rows from being removed, and since when?
-- columns:
--   kind          session, prepared transaction, replication slot or standby
--   name          of the prepared transaction or the slot; null for others
--   pid           process of the session, for pg_terminate_backend; null if there is none
--   application   application_name of the session
--   role          the session's role
--   state         of the session, such as idle in transaction; null without the privileges of pg_read_all_stats
--   since         when the transaction began, UTC; null for standbys and slots, and without these privileges
--   transactions  how many transactions have begun since, whose dead rows cannot be removed; null if it keeps none
--   tables        tables on which the session holds more than a reader's lock; null for none
--   blocks        sessions that wait for this one

WITH locks AS (
    SELECT pid, string_agg(DISTINCT relation::regclass::text, ', ') AS tables
    FROM pg_locks
    JOIN pg_class ON pg_class.oid = relation AND relkind IN ('r', 'p')
    WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND granted
        AND mode <> 'AccessShareLock'
        AND pid <> pg_backend_pid()
    GROUP BY pid
), waits AS (
    SELECT blocker AS pid, count(DISTINCT waiting.pid) AS blocks
    FROM (SELECT DISTINCT pid FROM pg_locks WHERE NOT granted) AS waiting
    CROSS JOIN LATERAL unnest(pg_blocking_pids(waiting.pid)) AS blocker
    GROUP BY blocker
), holders AS (
    SELECT kind, name, pid, application, role, state, since, transactions
    FROM snapshot_holders
    UNION ALL
    SELECT 'session', NULL, pid, application_name, usename::text, state, xact_start, NULL
    FROM pg_stat_activity
    WHERE (pid IN (SELECT pid FROM locks) OR pid IN (SELECT pid FROM waits))
        AND pid NOT IN (SELECT pid FROM snapshot_holders WHERE pid IS NOT NULL)
)
SELECT
    kind,
    name,
    holders.pid::bigint AS pid,
    application,
    role,
    state,
    since,
    transactions::bigint AS transactions,
    tables,
    coalesce(blocks, 0) AS blocks
FROM holders
LEFT JOIN locks ON locks.pid = holders.pid
LEFT JOIN waits ON waits.pid = holders.pid
ORDER BY since NULLS LAST, transactions DESC NULLS LAST, pid;
