COMMENT ON TABLE endpoints IS 'Where events are sent to: webhooks of other services. Job deliver_webhook sends, one job an endpoint';
DROP INDEX endpoints_mail_idx;
