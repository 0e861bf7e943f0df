-- An endpoint that the program has disabled wants an operator. One that an operator has disabled does not.
ALTER TABLE endpoints ADD COLUMN disabled_by text;

COMMENT ON COLUMN endpoints.disabled_by IS 'The operator who has disabled it; null if it is not disabled, or was disabled by its answers';

-- Programs of before have written why, and not who. These two are their own reasons.
UPDATE endpoints
SET disabled_by = 'an operator'
WHERE disabled_at IS NOT NULL
    AND disabled_reason NOT IN ('it answered 410 Gone', 'nothing has arrived for five days');
