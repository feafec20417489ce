"""What happens to films and pictures, told to their owner's sockets as `video_progress`."""

from collections.abc import Container, Iterator

import msgspec

from edge_api.live_frames import Event, wire

FILMS = {
    "VideoUploaded": "processing",
    "VideoProcessingProgressed": "processing",
    "VideoPlayable": "processing",
    "VideoReady": "ready",
    "VideoFailed": "failed",
    "VideoWithdrawn": "withdrawn",
}
PICTURES = {"PictureReady": "ready", "PictureFailed": "failed", "PictureWithdrawn": "withdrawn"}
_KEPT = ("progress", "code", "reason", "renditions")


def progress_of(event: Event, present: Container[str]) -> Iterator[tuple[str, bytes]]:
    """What an event of `video-events` means to its owner, if they are here: (user, frame)."""
    status = FILMS.get(event.event_type) or PICTURES.get(event.event_type)
    owner = event.person("ownerId")
    if status is None or owner is None or owner not in present:
        return
    film = event.event_type in FILMS
    data = {
        "videoId" if film else "pictureId": msgspec.Raw(event.text("videoId" if film else "pictureId")),
        "status": status,
        "seq": event.sequence,
        **({"progress": 1} if status == "ready" else {}),
        **({"playable": True} if event.event_type in ("VideoPlayable", "VideoReady") else {}),
        **{name: event.data[name] for name in _KEPT if name in event.data},
    }
    yield owner, wire(msgspec.json.encode({"event": "video_progress", "data": data}))
