-- What the runtime keeps in each worker's own schema; run at every start whose text is new.

CREATE TABLE IF NOT EXISTS offsets (
    topic       text   NOT NULL,
    partition   int    NOT NULL,
    next_offset bigint NOT NULL,
    published   bigint NOT NULL, -- below it, every row of the log is told
    epoch       bigint NOT NULL, -- raised by each takeover: who holds an older one can commit nothing
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 20);

CREATE TABLE IF NOT EXISTS log (
    partition       int    NOT NULL,
    src_offset      bigint NOT NULL,
    aggregate       uuid   NOT NULL,
    first_seq       bigint,
    last_seq        bigint,
    command_id      uuid   NOT NULL,
    command_type    text   NOT NULL,
    actor           text, -- the speaker's id
    fingerprint     bytea,
    at_ms           bigint NOT NULL,
    reply_partition smallint,
    reply           bytea  NOT NULL,
    events          bytea[] NOT NULL,
    facts           bytea,
    correlation_id  text,
    traceparent     text,
    PRIMARY KEY (partition, src_offset),
    CONSTRAINT log_command_id UNIQUE (command_id)
);
CREATE INDEX IF NOT EXISTS log_aggregate ON log (aggregate, first_seq) WHERE first_seq IS NOT NULL;

CREATE TABLE IF NOT EXISTS parked (
    topic     text   NOT NULL,
    partition int    NOT NULL,
    key       bytea  NOT NULL,
    since     timestamptz NOT NULL DEFAULT now(),
    first_offset bigint NOT NULL,
    reason    text   NOT NULL,
    PRIMARY KEY (topic, partition, key)
);

CREATE TABLE IF NOT EXISTS seen (
    topic     text   NOT NULL,
    aggregate uuid   NOT NULL,
    sequence  bigint NOT NULL,
    PRIMARY KEY (topic, aggregate)
) WITH (fillfactor = 50);

CREATE TABLE IF NOT EXISTS jobs (
    id             uuid PRIMARY KEY,
    kind           text  NOT NULL,
    payload        bytea NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    run_after      timestamptz NOT NULL DEFAULT now(),
    attempts       int   NOT NULL DEFAULT 0,
    lease_until    timestamptz,
    leased_by      uuid,
    done_at        timestamptz,
    failed_at      timestamptz,
    last_error     text,
    correlation_id text,
    traceparent    text
);
CREATE INDEX IF NOT EXISTS jobs_due ON jobs (kind, run_after) WHERE done_at IS NULL AND failed_at IS NULL;
