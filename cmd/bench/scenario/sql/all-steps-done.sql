-- Whether the orders of the broker recipe have the effects of all steps. What is cheap is asked first.
SELECT NOT EXISTS (SELECT FROM outbox)
    AND NOT EXISTS (SELECT FROM orders WHERE status = 'pending')
    AND (SELECT count(*) FROM points_entries) = (SELECT count(*) FROM orders)
    AND (SELECT count(*) FROM notifications) = (SELECT count(*) FROM orders);
