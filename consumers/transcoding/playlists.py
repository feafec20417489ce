"""HLS playlists composed from a manifest (RFC 8216): the addresses come from whoever knows the viewer."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from consumers.transcoding.package import Manifest, Track

_VERSION: Final = 7
_SOUND_GROUP: Final = "sound"


def master_playlist(film: Manifest, *, addresses: Mapping[str, str], sound_address: str | None) -> str:
    """The master playlist; `addresses` maps a rung's name to its media playlist's address, rungs not in it are left out.

    A film with sound needs `sound_address`, the address of the sound's media playlist.
    """
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{_VERSION}", "#EXT-X-INDEPENDENT-SEGMENTS"]
    sound = film.sound if sound_address else None
    if sound:
        lines.append(
            f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="{_SOUND_GROUP}",NAME="Sound",DEFAULT=YES,AUTOSELECT=YES,'
            f'CHANNELS="{sound.channels}",URI="{sound_address}"'
        )
    for rung in film.rungs:
        if rung.name in addresses:
            lines += [f"#EXT-X-STREAM-INF:{_variant(rung, sound)}", addresses[rung.name]]
    return "\n".join(lines) + "\n"


def _variant(rung: Track, sound: Track | None) -> str:
    codecs = f"{rung.codecs},{sound.codecs}" if sound else rung.codecs
    said = (
        f"BANDWIDTH={rung.bandwidth + (sound.bandwidth if sound else 0)},"
        f"AVERAGE-BANDWIDTH={rung.average_bandwidth + (sound.average_bandwidth if sound else 0)},"
        f'CODECS="{codecs}",RESOLUTION={rung.width}x{rung.height},FRAME-RATE={rung.frame_rate}'
    )
    return f'{said},AUDIO="{_SOUND_GROUP}"' if sound else said


def media_playlist(film: Manifest, track: Track, *, address: Mapping[str, str], starts_at_ms: int | None = None) -> str:
    """The media playlist (VOD) of a track; `address` maps names of pieces (init too) to addresses.

    `starts_at_ms` (Unix) is when the film's first frame was, for EXT-X-PROGRAM-DATE-TIME.
    """
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{_VERSION}",
        f"#EXT-X-TARGETDURATION:{film.target_duration_s}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        f'#EXT-X-MAP:URI="{address[track.init]}"',
    ]
    passed_s = 0.0
    for part in track.parts:
        if starts_at_ms is not None:
            lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{_moment(starts_at_ms + round(passed_s * 1000))}")
        lines += [f"#EXTINF:{part.duration_s:.6f},", address[part.name]]
        passed_s += part.duration_s
    return "\n".join([*lines, "#EXT-X-ENDLIST"]) + "\n"


def _moment(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
