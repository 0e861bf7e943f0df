-- Browsers that have logged in with a token. A session ends when it is idle for too long, and at ends_at.
CREATE TABLE login_sessions (
    token      text PRIMARY KEY,
    data       bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    seen_at    timestamptz NOT NULL DEFAULT now(),
    ends_at    timestamptz NOT NULL
);

CREATE INDEX login_sessions_ends_at_idx ON login_sessions (ends_at);

COMMENT ON TABLE login_sessions IS 'Sessions of browsers that have logged in; each is good as long as its token is';
COMMENT ON COLUMN login_sessions.token IS 'Hash of the text in the browser''s cookie';
COMMENT ON COLUMN login_sessions.data IS 'What the session has, encoded by the program: the id of the token with which the browser logged in';
COMMENT ON COLUMN login_sessions.seen_at IS 'When a request had the session, to the minute';
