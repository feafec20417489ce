-- What transcoding owns beside the runtime's log and jobs. Keys of objects: incoming/{id}, quarantine/{id} in the bucket of
-- uploads; videos/{id}/{name}, pictures/{id}/{name} in the bucket of media.

-- One row per film or picture, written whole by each batch that changes it.
CREATE TABLE IF NOT EXISTS upload (
    id             uuid PRIMARY KEY,
    owner_id       uuid        NOT NULL,
    purpose        text        NOT NULL CHECK (purpose IN ('film', 'avatar', 'auction')),
    filename       text        NOT NULL,
    content_type   text        NOT NULL,
    size           bigint      NOT NULL,
    checksum       text,
    upload_id      text,                    -- of a multipart upload, as S3 names it
    auction_id     uuid,                    -- of a picture of an auction
    requested_at   timestamptz NOT NULL,
    expires_at     timestamptz NOT NULL,
    status         text        NOT NULL CHECK (status IN ('uploading', 'processing', 'ready', 'failed', 'withdrawn')),
    sequence       bigint      NOT NULL,    -- of its last event
    tasks          text[],                  -- NULL until inspected
    playable_after text[],
    done           text[],
    duration_ms    int,
    width          int,
    height         int,
    progress       real        NOT NULL DEFAULT 0,
    renditions     jsonb       NOT NULL DEFAULT '[]',
    sizes          jsonb       NOT NULL DEFAULT '[]',
    code           text,                    -- why it failed
    reason         text
);
CREATE INDEX IF NOT EXISTS upload_owner ON upload (owner_id, requested_at DESC, id);
CREATE INDEX IF NOT EXISTS upload_open ON upload (owner_id) WHERE status = 'uploading';
CREATE INDEX IF NOT EXISTS upload_auction ON upload (auction_id) WHERE auction_id IS NOT NULL;

-- What a runner found out about a film (film.Film) and planned for it (plan.Plan).
CREATE TABLE IF NOT EXISTS inspected (
    video_id uuid  PRIMARY KEY,
    film     jsonb NOT NULL,
    plan     jsonb NOT NULL
);

-- Finished tasks and what they made (list of package.Piece; of the task `stills` stills.Stills). A row means that all of it
-- lies in S3: nobody encodes it again.
CREATE TABLE IF NOT EXISTS encoded (
    video_id uuid        NOT NULL,
    task     text        NOT NULL,
    made     jsonb       NOT NULL,
    at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (video_id, task)
);

-- What playlists are composed from (package.Manifest): the lowest rung first, replaced once by all of them.
CREATE TABLE IF NOT EXISTS asset (
    video_id     uuid        PRIMARY KEY,
    complete     boolean     NOT NULL,
    manifest     jsonb       NOT NULL,
    stills       jsonb,
    published_at timestamptz NOT NULL DEFAULT now()
);

-- Which slot does which job: a process that was killed finds its jobs again when it is back, and need not wait for leases.
-- `kills` counts the processes that died over it: what takes its runner down each time is given up.
CREATE TABLE IF NOT EXISTS held (
    job_id uuid PRIMARY KEY,
    slot   int  NOT NULL,
    kills  int  NOT NULL DEFAULT 0
);
