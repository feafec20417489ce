-- Viewers' own renditions that may be kept: objects below marked/{video_id}/{viewer}/ in the bucket of media. `viewer` is the
-- viewer's mark, not his id: who that is, only the holder of the pseudonyms' key finds out.
CREATE TABLE IF NOT EXISTS marked (
    video_id   uuid        NOT NULL,
    viewer     uuid        NOT NULL,
    expires_at timestamptz NOT NULL,        -- put off while it is watched
    PRIMARY KEY (video_id, viewer)
);
CREATE INDEX IF NOT EXISTS marked_viewer ON marked (viewer);
CREATE INDEX IF NOT EXISTS marked_expiry ON marked (expires_at);

-- What the edge counts before it gives out an address.
CREATE OR REPLACE VIEW marked_view AS SELECT video_id, viewer, expires_at FROM marked WHERE expires_at > now();
GRANT USAGE ON SCHEMA transcoding TO edge;
GRANT SELECT ON marked_view TO edge;
