-- Mail has one endpoint, which a worker makes that knows a mail server.
CREATE UNIQUE INDEX endpoints_mail_idx ON endpoints (kind) WHERE kind = 'mail';
COMMENT ON TABLE endpoints IS 'Where events are sent to: webhooks of other services, and mail to customers. Jobs deliver_webhook and deliver_mail send, one job an endpoint';
