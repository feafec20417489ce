-- What the index should hold, one row per auction and person.
CREATE TABLE IF NOT EXISTS document (
    kind          text NOT NULL CHECK (kind IN ('auctions', 'users')),
    id            uuid NOT NULL,
    seller_id     uuid,
    state         bytea NOT NULL,
    version       bigint NOT NULL,
    -- The event that last changed it: goes to the dead letters if the index refuses what became of it.
    src_partition int NOT NULL,
    src_offset    bigint NOT NULL,
    PRIMARY KEY (kind, id)
) WITH (fillfactor = 80);

CREATE INDEX IF NOT EXISTS document_seller ON document (seller_id) WHERE seller_id IS NOT NULL;

-- When each is to be written; apart, since these rows change three times with each write, and states are long.
CREATE TABLE IF NOT EXISTS due (
    kind         text NOT NULL,
    id           uuid NOT NULL,
    at           timestamptz, -- NULL: it stands in the index
    -- Counts what asked for it to be written: a write that began before the last of them is not the last write.
    marks        bigint NOT NULL DEFAULT 1,
    leased_until timestamptz, -- whoever writes it now has so long
    written_at   timestamptz,
    refused      text,        -- why the index will not take it as it is
    PRIMARY KEY (kind, id)
) WITH (fillfactor = 50);

CREATE INDEX IF NOT EXISTS due_at ON due (at) WHERE at IS NOT NULL;

-- Who was suspended or erased of late: searches leave out what they sell before its documents are written anew.
CREATE TABLE IF NOT EXISTS hidden (
    user_id uuid PRIMARY KEY,
    since   timestamptz NOT NULL DEFAULT now()
);

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
