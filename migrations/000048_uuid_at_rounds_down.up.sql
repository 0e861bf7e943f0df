-- The lowest UUIDv7 of a moment was that of the next millisecond for half of the moments, as a cast to bigint rounds. An order
-- that was placed in the same millisecond was then before a moment that had passed: a step since that moment was not due for it.
CREATE OR REPLACE FUNCTION uuid_at(moment timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
RETURN (lpad(to_hex(floor(extract(epoch FROM moment) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid;
