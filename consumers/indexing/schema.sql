-- What the index should hold, one row per auction and person, and when it is to be written there next.

CREATE TABLE IF NOT EXISTS document (
    kind          text NOT NULL CHECK (kind IN ('auctions', 'users')),
    id            uuid NOT NULL,
    seller_id     uuid,
    state         bytea NOT NULL,
    version       bigint NOT NULL,
    -- The event that last changed it: goes to the dead letters if the index refuses what became of it.
    src_partition int NOT NULL,
    src_offset    bigint NOT NULL,
    -- Counts what asked for it to be written: a write that began before the last of them is not the last write.
    marks         bigint NOT NULL DEFAULT 1,
    -- While it is being written this lies as far ahead as the writer's lease.
    due_at        timestamptz,
    written_at    timestamptz,
    refused       text,
    PRIMARY KEY (kind, id)
) WITH (fillfactor = 80);

CREATE INDEX IF NOT EXISTS document_due ON document (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS document_seller ON document (seller_id) WHERE seller_id IS NOT NULL;

-- Indices that a rebuild fills: what is written goes there too.
CREATE TABLE IF NOT EXISTS filling (
    kind       text PRIMARY KEY,
    index_name text NOT NULL
);

-- Partitions that a rebuild has replayed, so that it can go on after an interruption.
CREATE TABLE IF NOT EXISTS replayed (
    index_name text NOT NULL,
    partition  int NOT NULL,
    PRIMARY KEY (index_name, partition)
);
