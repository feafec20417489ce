"""Manifests and playlists: complete or not at all, and every number in them true."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from consumers.transcoding.package import Manifest, Piece, Unfinished, manifest
from consumers.transcoding.plan import plan
from consumers.transcoding.playlists import master_playlist, media_playlist
from tests.consumers.transcoding.films import film, lying
from tests.consumers.transcoding.test_plan import a_film
from tests.consumers.transcoding.whole import STARTS_AT_MS, shown, through

MINUTE = plan(a_film())


def pieces(*tracks: str, size: Callable[[int], int] = lambda _number: 100_000) -> list[Piece]:
    """All pieces of some tracks of the minute; the sound's are 4 s each."""
    made = []
    for track in tracks:
        codecs = "mp4a.40.2" if track == "sound" else "avc1.64001f"
        base = Piece(track=track, number=None, name=f"{track}.mp4", size_bytes=800, duration_s=0, codecs=codecs)
        made.append(base)
        made += [
            replace(base, number=n, name=f"{track}-{n}.m4s", size_bytes=size(n), duration_s=4.0)
            for n in range(len(MINUTE.segments))
        ]
    return made


@pytest.mark.quick
def test_the_lowest_rung_and_the_sound_make_a_film_and_more_rungs_make_it_better() -> None:
    lowest = manifest(MINUTE, pieces("sound", "360p"))
    better = manifest(MINUTE, pieces("sound", "360p", "480p", "720p"))

    assert [rung.name for rung in lowest.rungs] == ["360p"]
    assert [rung.name for rung in better.rungs] == ["360p", "480p", "720p"]
    assert msgspec.json.decode(msgspec.json.encode(better), type=Manifest) == better


@pytest.mark.quick
def test_what_is_not_complete_is_not_shown() -> None:
    with pytest.raises(Unfinished, match="not complete"):
        manifest(MINUTE, pieces("360p"))
    with pytest.raises(Unfinished, match="not complete"):
        manifest(MINUTE, pieces("sound", "720p"))
    lacking = [piece for piece in pieces("sound", "360p", "480p") if piece.name != "480p-7.m4s"]
    assert [rung.name for rung in manifest(MINUTE, lacking).rungs] == ["360p"]


@pytest.mark.quick
def test_two_init_segments_of_one_rung_are_never_published() -> None:
    other = replace(pieces("360p")[0], name="other.mp4")

    with pytest.raises(Unfinished, match="different init"):
        manifest(MINUTE, [*pieces("sound", "360p"), other])


@pytest.mark.quick
def test_pieces_told_twice_count_once() -> None:
    told = pieces("sound", "360p")

    assert manifest(MINUTE, [*told, *reversed(told)]) == manifest(MINUTE, told)


@pytest.mark.quick
def test_bandwidths_are_the_peak_and_the_mean_of_what_is_stored() -> None:
    made = manifest(MINUTE, pieces("sound", "360p", size=lambda n: 500_000 if n == 3 else 100_000))

    rung = made.rungs[0]
    assert rung.bandwidth == 1_000_000
    assert rung.average_bandwidth == pytest.approx((500_000 + 14 * 100_000) * 8 / 60, abs=1)
    text = master_playlist(made, addresses={"360p": "a"}, sound_address="s")
    assert f"BANDWIDTH={rung.bandwidth * 2}," in text
    assert 'CODECS="avc1.64001f,mp4a.40.2"' in text


@pytest.mark.quick
def test_a_rung_without_an_address_is_not_offered() -> None:
    made = manifest(MINUTE, pieces("sound", "360p", "480p"))

    text = master_playlist(made, addresses={"480p": "https://x/480"}, sound_address="https://x/s")

    assert text.count("#EXT-X-STREAM-INF") == 1
    assert "RESOLUTION=854x480" in text


@pytest.mark.quick
def test_every_segment_says_when_it_was() -> None:
    made = manifest(MINUTE, pieces("sound", "360p"))
    names = {name: f"https://x/{name}" for name in ("360p.mp4", *(f"360p-{n}.m4s" for n in range(15)))}

    text = media_playlist(made, made.rungs[0], address=names, starts_at_ms=STARTS_AT_MS)

    moments = re.findall(r"PROGRAM-DATE-TIME:(.+)", text)
    assert moments[:2] == ["2026-09-21T14:13:20.000Z", "2026-09-21T14:13:24.000Z"]
    assert len(moments) == 15
    assert '#EXT-X-MAP:URI="https://x/360p.mp4"' in text
    assert text.endswith("#EXT-X-ENDLIST\n")
    assert "PROGRAM-DATE-TIME" not in media_playlist(made, made.rungs[0], address=names)


async def test_a_large_film_has_all_rungs_with_aligned_segments_and_true_numbers(tmp_path: Path) -> None:
    source = film("-g", "10", size="1280x720", rate="10", seconds=5.6)

    made = await through(source, tmp_path)

    text = made.playlist("master").read_text()
    assert re.findall(r"RESOLUTION=(\S+),FRAME", text) == ["640x360", "854x480", "1280x720"]
    assert re.findall(r"FRAME-RATE=([\d.]+)", text) == ["10.000"] * 3
    durations = {rung.name: [part.duration_s for part in rung.parts] for rung in made.manifest.rungs}
    assert set(map(tuple, durations.values())) == {(4.0, 1.6)}
    for rung in made.manifest.rungs:
        picture = shown(made.playlist(rung.name))
        assert (picture["width"], picture["height"]) == (rung.width, rung.height)
        sizes = [(tmp_path / part.name).stat().st_size for part in rung.parts]
        assert [part.size_bytes for part in rung.parts] == sizes
        assert rung.bandwidth == pytest.approx(sizes[0] * 8 / 4, abs=1) or rung.bandwidth == rung.average_bandwidth
        assert rung.average_bandwidth == pytest.approx(sum(sizes) * 8 / 5.6, abs=1)
        assert rung.codecs == "avc1." + avcc(tmp_path / rung.init)
        assert all(keyframe_first(tmp_path / rung.init, tmp_path / part.name) for part in rung.parts)
    # Nothing lies there but what is told.
    stored = {name for name in lying(tmp_path) if not name.endswith(".m3u8")}
    assert stored == {piece.name for piece in made.pieces}


def avcc(init: Path) -> str:
    """Profile, constraints and level as the init segment says them."""
    content = init.read_bytes()
    at = content.index(b"avcC")
    return content[at + 5 : at + 8].hex()


def keyframe_first(init: Path, part: Path) -> bool:
    """Whether a segment can be played alone: its first frame, decoded without any before it, is an IDR picture."""
    content = part.read_bytes()
    at = content.index(b"mdat") + 4
    while int.from_bytes(content[at : at + 4], "big") and content[at + 4] & 0x1F in (6, 7, 8, 9):
        at += 4 + int.from_bytes(content[at : at + 4], "big")
    return init.exists() and content[at + 4] & 0x1F == 5
