"""The viewer's own rendition: a mark that can be seen and moves, in segments that fit where the others were."""

from pathlib import Path

import pytest

from consumers.transcoding.package import Part
from consumers.transcoding.watermark import Marked, watermark
from tests.consumers.transcoding.films import counting
from tests.consumers.transcoding.test_playlists import avcc
from tests.consumers.transcoding.whole import Whole, shown, through


async def marked(made: Whole, number: int, folder: Path, *, text: str = "viewer-7f3a") -> tuple[Part, Marked]:
    """One segment of the lowest rung with a mark."""
    rung, segment = made.manifest.rungs[0], made.plan.segments[number]
    part = rung.parts[number]
    result = await watermark(
        made.folder / rung.init,
        made.folder / part.name,
        folder,
        text=text,
        start_s=made.plan.start_s(segment),
        frames=segment.frames,
        frame_rate=(made.plan.rate_num, made.plan.rate_den),
    )
    return part, result


async def test_marked_segments_take_the_place_of_the_others(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    made = await through(counting("-g", "25", "-vf", "scale=320:240,setsar=1", seconds=10), one)
    playlist = made.playlist("360p").read_text()

    inits = set()
    for number in range(len(made.plan.segments)):
        part, mark = await marked(made, number, other)
        playlist = playlist.replace(part.name, mark.part).replace(made.manifest.rungs[0].init, mark.init)
        inits.add(mark.init)
        assert mark.codecs == made.manifest.rungs[0].codecs
    (other / "marked.m3u8").write_text(playlist)

    assert len(inits) == 1
    picture = shown(other / "marked.m3u8")
    assert int(picture["nb_read_packets"]) == 250
    assert float(picture["start_time"]) == pytest.approx(0, abs=0.001)
    assert (picture["width"], picture["height"]) == (320, 240)
    assert avcc(other / inits.pop()) == made.manifest.rungs[0].codecs.removeprefix("avc1.")
    assert not list(other.glob("*.part"))


async def test_the_mark_is_the_viewers_and_his_words_are_only_words(tmp_path: Path) -> None:
    made = await through(counting("-g", "25", "-vf", "scale=320:240,setsar=1", seconds=3), tmp_path)

    parts = [
        (await marked(made, 0, tmp_path, text=text))[1].part
        for text in ("anna", "anna", "ben", "%{pts}:'\\,[in]", "x" * 300, "")
    ]

    assert parts[0] == parts[1]
    assert len(set(parts)) == 5
