-- What became of each notification, and what was handed to a provider but is not yet recorded.

CREATE TABLE IF NOT EXISTS delivery (
    notification_id uuid PRIMARY KEY,
    user_id         uuid NOT NULL,
    channel         text NOT NULL,
    kind            text NOT NULL,
    outcome         text NOT NULL CHECK (outcome IN ('sent', 'failed')),
    provider_id     text,
    reason          text,
    at              timestamptz NOT NULL
);

-- A row lives from the provider's yes to the end of its job: an attempt that finds one does not send again.
CREATE TABLE IF NOT EXISTS posted (
    job_id      uuid PRIMARY KEY,
    provider_id text
);

-- How people are called and where they are written to, as accounts told; empty for those who left.
CREATE TABLE IF NOT EXISTS reader (
    user_id      uuid   PRIMARY KEY,
    username     text,
    sealed_email text,             -- opens with the person's own key
    sequence     bigint NOT NULL   -- of the user's event that said so
);
