"""Poster, thumbnails, storyboard: there for every film, upright, and each tile shows its moment."""

import subprocess
from pathlib import Path

import pytest

from consumers.transcoding.probe import Limits, probe
from consumers.transcoding.shots import stills
from consumers.transcoding.stills import storyboard_vtt
from tests.consumers.transcoding.films import counting, film, lying, remade


async def test_a_poster_thumbnails_and_a_storyboard_are_made(tmp_path: Path) -> None:
    source = film("-g", "10", size="1280x720", rate="10", seconds=6)

    made = await stills(source, tmp_path, film=await probe(source, Limits()))

    sizes = [(still.role, still.width, still.height) for still in made.pictures]
    assert sizes == [
        ("thumbnail", 320, 180),
        ("thumbnail", 640, 360),
        ("poster", 1280, 720),
        ("storyboard", 480, 90),
    ]
    assert [(tile.start_s, tile.end_s, tile.x, tile.y) for tile in made.tiles] == [
        (0, 2, 0, 0),
        (2, 4, 160, 0),
        (4, 6, 320, 0),
    ]
    assert lying(tmp_path) == {still.name for still in made.pictures}
    for still in made.pictures:
        assert seen(tmp_path / still.name) == f"mjpeg,{still.width},{still.height}"
        assert (tmp_path / still.name).stat().st_size == still.size_bytes
    text = storyboard_vtt(made, address={made.pictures[3].name: "https://x/s.jpg"})
    assert text.startswith("WEBVTT\n\n00:00:00.000 --> 00:00:02.000\nhttps://x/s.jpg#xywh=0,0,160,90\n")


@pytest.mark.parametrize("keyframes", ["25", "9999"])
async def test_each_tile_shows_its_moment_however_rare_keyframes_are(keyframes: str, tmp_path: Path) -> None:
    source = counting("-g", keyframes, "-keyint_min", keyframes, "-sc_threshold", "0", seconds=14)

    made = await stills(source, tmp_path, film=await probe(source, Limits()))

    assert len(made.tiles) == 7
    for tile in made.tiles:
        frame = round(tile.start_s * 25)
        luma = brightness(tmp_path / tile.sheet, tile.x, tile.y, tile.width, tile.height)
        # Full range in a JPEG, and the frame nearest to the moment.
        expected = [(20 + 3 * (near % 70) - 16) * 255 / 219 for near in range(max(0, frame - 1), frame + 2)]
        assert any(abs(luma - one) < 3 for one in expected)


async def test_a_film_held_upright_has_upright_stills(tmp_path: Path) -> None:
    source = remade(film(), "-metadata:s:v:0", "rotate=90")

    made = await stills(source, tmp_path, film=await probe(source, Limits()))

    assert all(still.height > still.width for still in made.pictures if still.role != "storyboard")


RARE = ("-g", "9999", "-keyint_min", "9999", "-sc_threshold", "0")
SHOTS = {
    "a single frame": lambda: film(seconds=0.04, sound=False),
    "one second": lambda: film(seconds=1),
    "two seconds and a bit": lambda: film(seconds=2.1),
    "one keyframe in 30 seconds": lambda: film(*RARE, seconds=30, rate="10"),
    "reordered frames": lambda: film("-g", "25", "-bf", "3", "-preset", "fast", seconds=12),
    "later than its sound": lambda: remade(film(seconds=3), "-output_ts_offset", "1.5"),
    "a last frame that stands for long": lambda: standing(),
}


@pytest.mark.parametrize("kind", SHOTS)
async def test_every_film_has_a_poster_and_a_storyboard_to_its_end(kind: str, tmp_path: Path) -> None:
    source = SHOTS[kind]()
    facts = await probe(source, Limits())

    made = await stills(source, tmp_path, film=facts)

    assert {still.role for still in made.pictures} >= {"poster", "storyboard"}
    assert made.tiles[-1].end_s == pytest.approx(facts.duration_s, abs=0.15)
    assert lying(tmp_path) == {still.name for still in made.pictures}


def standing() -> Path:
    """Ten frames at once, then a last one that stands for two seconds."""
    return counting("-vf", "select='lt(n,10)+eq(n,50)'", "-fps_mode", "vfr", seconds=4)


def seen(picture: Path) -> str:
    command = [
        "ffprobe",
        "-v",
        "error",
        "-show_entries",
        "stream=codec_name,width,height",
        "-of",
        "csv=p=0",
        str(picture),
    ]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()


def brightness(picture: Path, x: int, y: int, width: int, height: int) -> float:
    crop = f"crop={width}:{height}:{x}:{y},scale=2:2"
    command = ["ffmpeg", "-v", "error", "-i", str(picture), "-vf", crop, "-pix_fmt", "yuvj420p", "-f", "rawvideo", "-"]
    shown = subprocess.run(command, capture_output=True, check=True, timeout=30).stdout
    return sum(shown[:4]) / 4
