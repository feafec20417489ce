"""Films as people have them: whatever the camera did, what comes out plays, upright, whole and in step."""

import asyncio
import functools
import os
import struct
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest

from consumers.transcoding.probe import Limits, probe
from tests.consumers.transcoding import films
from tests.consumers.transcoding.films import X265, counting, film, remade
from tests.consumers.transcoding.whole import Whole, shown, through

PQ = ("-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc")
HLG = ("-color_primaries", "bt2020", "-color_trc", "arib-std-b67", "-colorspace", "bt2020nc")
VP9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8")
OPUS = ("-c:a", "libopus", "-b:a", "32k")

MAKERS: dict[str, Callable[[], Path]] = {
    "a usual one": lambda: film(),
    "index at the start": lambda: film("-movflags", "+faststart"),
    "fragmented": lambda: film("-movflags", "+frag_keyframe+empty_moov"),
    "quicktime": lambda: film(ends="mov"),
    "matroska": lambda: film(ends="mkv"),
    "webm": lambda: film(*VP9, *OPUS, ends="webm"),
    "vp8 and vorbis": lambda: film("-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libvorbis", ends="webm"),
    "av1": lambda: film("-c:v", "libsvtav1", "-preset", "13", ends="mp4", seconds=1),
    "hevc in 10 bits": lambda: film(*X265, "-pix_fmt", "yuv420p10le", "-tag:v", "hvc1"),
    "hdr10": lambda: film(*X265, "-pix_fmt", "yuv420p10le", *PQ, seconds=1),
    "hlg of a phone": lambda: film(*X265, "-pix_fmt", "yuv420p10le", *HLG, ends="mov", seconds=1),
    "4:4:4": lambda: film("-pix_fmt", "yuv444p"),
    "full range": lambda: film("-pix_fmt", "yuvj420p", "-color_range", "pc"),
    "mp3 sound": lambda: film("-c:a", "libmp3lame", "-ar", "44100"),
    "5.1 sound": lambda: film("-ac", "6"),
    "sound of 22 kHz": lambda: film("-ar", "22050"),
    "120 frames per second": lambda: film(rate="120", seconds=1),
    "with a cover and subtitles": lambda: accompanied(),
    "ntsc": lambda: film(rate="30000/1001"),
    "one frame per second": lambda: film(rate="1", seconds=8),
}


Running = dict[str, asyncio.Task[Whole]]


async def begun(makers: Mapping[str, Callable[[], Path]], folders: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """All of them under way, as many at a time as there are cores: each test waits for its own."""
    free = asyncio.Semaphore(os.cpu_count() or 1)

    async def one(kind: str) -> Whole:
        async with free:
            source = await asyncio.to_thread(makers[kind])
            return await through(source, folders.mktemp("film"))

    running = {kind: asyncio.create_task(one(kind)) for kind in makers}
    yield running
    for task in running.values():
        task.cancel()
    await asyncio.gather(*running.values(), return_exceptions=True)


@pytest.fixture(scope="module")
async def usual(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """Films of every usual kind."""
    async for running in begun(MAKERS, tmp_path_factory):
        yield running


@pytest.mark.parametrize("kind", MAKERS)
async def test_a_film_of_every_usual_kind_plays_from_its_start_to_its_end(kind: str, usual: Running) -> None:
    made = await usual[kind]

    picture, sound = shown(made.playlist(made.plan.rungs[0].name)), shown(made.playlist("sound"))
    assert (picture["codec_name"], picture["profile"], picture["pix_fmt"]) == ("h264", "High", "yuv420p")
    assert int(picture["nb_read_packets"]) == made.film.frames
    assert float(picture["start_time"]) == pytest.approx(0, abs=0.001)
    assert made.manifest.duration_s == pytest.approx(made.film.duration_s, abs=0.5 / float(made.plan.frame_rate))
    assert (sound["codec_name"], sound["sample_rate"], sound["channels"]) == ("aac", "48000", 2)
    assert made.manifest.sound is not None
    assert sum(part.duration_s for part in made.manifest.sound.parts) == pytest.approx(made.film.duration_s, abs=0.08)
    played(made.playlist("master"))


@pytest.mark.parametrize(
    ("rate", "made_rate"), [("60", "60/1"), ("120", "60/1"), ("30000/1001", "30000/1001"), ("1", "16/1")]
)
async def test_the_frame_rate_is_kept_up_to_60(rate: str, made_rate: str) -> None:
    found = await probe(film(rate=rate, seconds=8 if rate == "1" else 1), Limits())

    assert str(found.frame_rate) == made_rate.removesuffix("/1")


@pytest.mark.parametrize("degrees", [90, 270])
async def test_a_film_of_a_phone_held_upright_is_upright(degrees: int, tmp_path: Path) -> None:
    source = remade(film(), "-metadata:s:v:0", f"rotate={degrees}")

    made = await through(source, tmp_path)

    assert (made.film.width, made.film.height) == (96, 128)
    picture = shown(made.playlist("360p"))
    assert (picture["width"], picture["height"]) == (96, 128)


async def test_odd_sizes_and_oblong_pixels_become_even_and_square(tmp_path: Path) -> None:
    odd = await through(film("-pix_fmt", "yuv444p", size="97x51"), tmp_path)
    oblong = await probe(film("-aspect", "2:1", size="128x128"), Limits())

    assert (shown(odd.playlist("360p"))["width"], shown(odd.playlist("360p"))["height"]) == (96, 50)
    assert (oblong.width, oblong.height) == (256, 128)


async def test_a_film_without_sound_has_no_sound_in_its_playlist(tmp_path: Path) -> None:
    made = await through(film(sound=False), tmp_path)

    assert made.manifest.sound is None
    assert "AUDIO" not in made.playlist("master").read_text()
    assert "mp4a" not in made.playlist("master").read_text()
    played(made.playlist("master"), sound=False)


@pytest.mark.parametrize("seconds", [0.04, 0.2, 0.88])
async def test_a_film_shorter_than_a_second_plays(seconds: float, tmp_path: Path) -> None:
    made = await through(film(seconds=seconds, sound=False), tmp_path)

    assert int(shown(made.playlist("360p"))["nb_read_packets"]) == round(seconds * 25)
    assert "#EXT-X-TARGETDURATION:1\n" in made.playlist("360p").read_text()


@pytest.mark.parametrize("curve", [PQ, HLG], ids=["pq", "hlg"])
async def test_hdr_becomes_sdr_in_bt709(curve: tuple[str, ...], tmp_path: Path) -> None:
    made = await through(film(*X265, "-pix_fmt", "yuv420p10le", *curve, seconds=0.4), tmp_path)

    picture = shown(made.playlist("360p"))
    assert (picture["color_transfer"], picture["color_space"]) == ("bt709", "bt709")


ENTRIES = {
    "a keyframe each second": (("-g", "25"), "mp4"),
    "reordered frames": (("-g", "25", "-bf", "3", "-preset", "fast"), "mp4"),
    "open groups of pictures": (("-g", "30", "-bf", "3", "-preset", "fast", "-x264-params", "open-gop=1"), "mp4"),
    "a keyframe each 8 seconds": (("-g", "200", "-keyint_min", "200", "-sc_threshold", "0"), "mp4"),
    "one keyframe in all": (("-g", "9999", "-keyint_min", "9999", "-sc_threshold", "0", "-bf", "2"), "mp4"),
    "only keyframes": (("-g", "1"), "mp4"),
    "matroska": (("-g", "40", "-bf", "2"), "mkv"),
}


@pytest.fixture(scope="module")
async def entered(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """Films that can be entered here and there."""
    makers = {kind: functools.partial(counting, *options, ends=ends) for kind, (options, ends) in ENTRIES.items()}
    async for running in begun(makers, tmp_path_factory):
        yield running


@pytest.mark.parametrize("kind", ENTRIES)
async def test_every_frame_comes_once_and_in_order_across_segments_and_tasks(kind: str, entered: Running) -> None:
    made = await entered[kind]

    seen = films.brightness(made.playlist("360p"))
    assert len(made.plan.segments) >= 3
    assert len(seen) == 350
    wrong = [n for n, luma in enumerate(seen) if abs(luma - (20 + 3 * (n % 70))) > 1.4]
    assert wrong == []


async def test_frames_of_varying_length_keep_their_moments(tmp_path: Path) -> None:
    # Two of three frames are left out between 4 s and 8 s: the film stays as long as it was.
    source = counting("-vf", "select='lt(t,4)+gt(t,8)+not(mod(n,3))'", "-fps_mode", "vfr", "-g", "25")

    made = await through(source, tmp_path)

    seen = films.brightness(made.playlist("360p"))
    assert len(seen) == 350
    wrong = [n for n in (*range(98), *range(203, 350)) if abs(seen[n] - (20 + 3 * (n % 70))) > 1.4]
    assert wrong == []


async def test_a_film_trimmed_without_coding_it_again_begins_where_it_was_trimmed(tmp_path: Path) -> None:
    source = remade(counting("-g", "50", "-keyint_min", "50", "-bf", "2"), before=("-ss", "1"))

    made = await through(source, tmp_path)

    seen = films.brightness(made.playlist("360p"))
    assert len(seen) == 325
    wrong = [n for n, luma in enumerate(seen) if abs(luma - (20 + 3 * ((n + 25) % 70))) > 1.4]
    assert wrong == []


async def test_sound_that_starts_later_than_the_picture_still_does(tmp_path: Path) -> None:
    late = films.FOLDER / "late.mp4"
    films.ffmpeg(
        "-i", film(), "-itsoffset", "1", "-i", film(), "-map", "0:v", "-map", "1:a", "-c", "copy", "-t", "2", late
    )

    made = await through(late, tmp_path)

    heard = samples(made.playlist("sound"))
    assert max(abs(value) for value in heard[: int(0.9 * 48_000)]) < 60
    assert max(abs(value) for value in heard[int(1.1 * 48_000) : int(1.8 * 48_000)]) > 2_000


@pytest.mark.parametrize("volume", [0.04, 0.9])
async def test_quiet_and_loud_films_are_equally_loud(volume: float, tmp_path: Path) -> None:
    made = await through(film("-af", f"volume={volume * 8}", size="32x32", seconds=5), tmp_path)

    assert loudness(made.playlist("sound")) == pytest.approx(-16, abs=1)


async def test_nothing_that_the_film_says_of_itself_is_left(tmp_path: Path) -> None:
    words = (
        "-metadata",
        "title=Planted-Words",
        "-metadata",
        "location=+48.85+002.35/",
        "-metadata:s:v",
        "handler_name=Planted-Words",
    )

    made = await through(film(*words), tmp_path)

    for piece in made.pieces:
        content = (tmp_path / piece.name).read_bytes()
        assert b"Planted" not in content
        assert b"48.85" not in content


async def test_the_same_film_gives_the_same_pieces(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()

    first, second = await through(film(), one), await through(film(), other)

    assert first.pieces == second.pieces
    assert {file.name for file in one.iterdir()} == {file.name for file in other.iterdir()}


def played(playlist: Path, *, sound: bool = True) -> None:
    """Play all of it, as a player would: not a word of complaint."""
    maps = ["-map", "0:v", *(["-map", "0:a"] if sound else [])]
    command = [
        "ffmpeg",
        "-nostdin",
        "-v",
        "warning",
        "-allowed_extensions",
        "ALL",
        "-i",
        str(playlist),
        *maps,
        "-f",
        "null",
        "-",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""


def samples(playlist: Path) -> tuple[int, ...]:
    command = [
        "ffmpeg",
        "-nostdin",
        "-v",
        "error",
        "-allowed_extensions",
        "ALL",
        "-i",
        str(playlist),
        "-ac",
        "1",
        "-f",
        "s16le",
        "-",
    ]
    heard = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    return struct.unpack(f"<{len(heard) // 2}h", heard)


def loudness(playlist: Path) -> float:
    """Integrated loudness in LUFS."""
    command = [
        "ffmpeg",
        "-nostats",
        "-allowed_extensions",
        "ALL",
        "-i",
        str(playlist),
        "-af",
        "ebur128",
        "-f",
        "null",
        "-",
    ]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stderr
    return float(said.rsplit("I:", 1)[1].split()[0])


def accompanied() -> Path:
    """A film with a cover and subtitles beside it."""
    words, cover, path = films.FOLDER / "words.srt", films.FOLDER / "face.png", films.FOLDER / "accompanied.mp4"
    words.write_text("1\n00:00:00,000 --> 00:00:01,000\nGoing once\n")
    films.ffmpeg("-f", "lavfi", "-i", "color=red:s=64x64", "-frames:v", "1", cover)
    inputs = ("-i", film(), "-i", words, "-i", cover, "-map", "0", "-map", "1", "-map", "2")
    films.ffmpeg(*inputs, "-c", "copy", "-c:s", "mov_text", "-disposition:v:1", "attached_pic", path)
    return path
