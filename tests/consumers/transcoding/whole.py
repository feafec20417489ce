"""A film through the whole engine: probed, planned, every task encoded, playlists written beside the pieces."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consumers.transcoding.encode import encode
from consumers.transcoding.film import Film
from consumers.transcoding.package import Manifest, Piece, Track, manifest
from consumers.transcoding.plan import Plan, plan
from consumers.transcoding.playlists import master_playlist, media_playlist
from consumers.transcoding.probe import Limits, probe

STARTS_AT_MS = 1_790_000_000_000


@dataclass
class Whole:
    """What came out, and where it lies."""

    film: Film
    plan: Plan
    pieces: list[Piece]
    manifest: Manifest
    folder: Path

    def playlist(self, track: str) -> Path:
        """The media playlist of a rung or of the sound; `master` is the master playlist."""
        return self.folder / f"{track}.m3u8"

    def tracks(self) -> list[Track]:
        """Rungs and sound."""
        return [*self.manifest.rungs, *([self.manifest.sound] if self.manifest.sound else [])]


async def through(source: Path, folder: Path) -> Whole:
    """Do with a film all that the worker does, without the worker."""
    film = await probe(source, Limits())
    planned = plan(film)
    pieces: list[Piece] = []
    for task in planned.tasks:
        pieces += await encode(source, folder, film=film, plan=planned, task=task)
    made = Whole(film, planned, pieces, manifest(planned, pieces), folder)
    sound_address = "sound.m3u8" if made.manifest.sound else None
    addresses = {rung.name: f"{rung.name}.m3u8" for rung in made.manifest.rungs}
    made.playlist("master").write_text(master_playlist(made.manifest, addresses=addresses, sound_address=sound_address))
    for track in made.tracks():
        names = {name: name for name in (track.init, *(part.name for part in track.parts))}
        text = media_playlist(made.manifest, track, address=names, starts_at_ms=STARTS_AT_MS)
        made.playlist(track.name).write_text(text)
    return made


def shown(playlist: Path) -> dict[str, Any]:
    """What ffprobe, opening the playlist as a player, says of its first stream, every packet counted."""
    entries = "stream=codec_name,profile,width,height,r_frame_rate,start_time,nb_read_packets,pix_fmt,color_transfer,color_space,channels,sample_rate"
    command = ["ffprobe", "-v", "error", "-allowed_extensions", "ALL", "-count_packets", "-show_entries", entries]
    done = subprocess.run(
        [*command, "-of", "json", str(playlist)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr == "", done.stderr
    return json.loads(done.stdout)["streams"][0]  # type: ignore[no-any-return]
