-- What the edge may read of films and pictures. A view is dropped first because replacing one cannot take columns away.

DROP VIEW IF EXISTS upload_view, asset_view, picture_view, command_view;

-- For the owner's eyes and an admin's; the edge sees to that.
CREATE VIEW upload_view AS
SELECT id, owner_id, purpose, filename, content_type, size, upload_id, auction_id, requested_at, expires_at, status,
       CASE WHEN status = 'ready' THEN 1 ELSE progress END AS progress,
       tasks IS NOT NULL AND renditions <> '[]' AS playable,
       duration_ms, width, height, renditions, sizes, code, reason, sequence
  FROM upload;

-- What can be played: `manifest` is a package.Manifest, `stills` a stills.Stills; both of names below videos/{video_id}/.
CREATE VIEW asset_view AS
SELECT u.id AS video_id, u.owner_id, u.status, u.reason, a.video_id IS NOT NULL AS playable,
       coalesce(a.complete, false) AS complete, u.duration_ms, u.requested_at, a.manifest, a.stills
  FROM upload u
  LEFT JOIN asset a ON a.video_id = u.id AND u.status IN ('processing', 'ready')
 WHERE u.purpose = 'film';

-- Pictures that can be shown.
CREATE VIEW picture_view AS
SELECT id AS picture_id, owner_id, purpose, auction_id, sizes, requested_at
  FROM upload WHERE purpose <> 'film' AND status = 'ready';

CREATE VIEW command_view AS
SELECT command_id, command_type, aggregate, actor,
       convert_from(reply, 'UTF8')::json ->> 'outcome' AS outcome,
       convert_from(reply, 'UTF8')::json ->> 'code' AS code,
       reply, at_ms
  FROM log;

GRANT USAGE ON SCHEMA transcoding TO edge;
GRANT SELECT ON upload_view, asset_view, picture_view, command_view TO edge;
