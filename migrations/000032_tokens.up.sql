-- Who may use the API. The text of a token is nowhere: hash is its SHA-256, and id the beginning of that.
CREATE TABLE tokens (
    id           text PRIMARY KEY,
    hash         bytea NOT NULL,
    name         text NOT NULL,
    roles        text[] NOT NULL CHECK (cardinality(roles) > 0),
    created_at   timestamptz NOT NULL DEFAULT now(),
    created_by   text NOT NULL,
    expires_at   timestamptz,
    last_used_at timestamptz,
    revoked_at   timestamptz,
    revoked_by   text
);

-- Acts have the name of their token as actor, so two tokens that can be used have two names.
CREATE UNIQUE INDEX tokens_name_idx ON tokens (name) WHERE revoked_at IS NULL;

COMMENT ON TABLE tokens IS 'Who may use the API: programs and persons, with their roles';
COMMENT ON COLUMN tokens.id IS 'The first 12 hexadecimal digits of the hash; lists and logs name a token by it';
COMMENT ON COLUMN tokens.hash IS 'SHA-256 of the token''s text, which is random and kept nowhere';
COMMENT ON COLUMN tokens.name IS 'The actor of what is done with the token';
COMMENT ON COLUMN tokens.last_used_at IS 'When a request had the token, to the minute';
