"""Avatars and auction pictures: upright, stripped, in a few sizes; what is no picture is refused."""

import struct
import zlib
from pathlib import Path

import pytest

from consumers.transcoding.pictures import pictures
from consumers.transcoding.unfit import Unfit
from tests.consumers.transcoding.films import FOLDER, ffmpeg, fresh, lying
from tests.consumers.transcoding.test_stills import brightness, seen


def picture(size: str = "640x480", ends: str = "jpg", colour: str = "testsrc2=") -> Path:
    """A still picture."""
    path = fresh(ends)
    coder = ("-c:v", "libwebp") if ends == "webp" else ()
    ffmpeg("-f", "lavfi", "-i", f"{colour}s={size}", "-frames:v", "1", *coder, path)
    return path


def turned(source: Path) -> Path:
    """The JPEG with EXIF data of a camera held upright, and where it was taken."""
    entries = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0) + struct.pack("<HHI4s", 0x010E, 2, 4, b"Pln\0")
    tiff = b"II*\0" + struct.pack("<IH", 8, 2) + entries + bytes(4)
    content = source.read_bytes()
    exif = b"\xff\xe1" + struct.pack(">H", len(tiff) + 8) + b"Exif\0\0" + tiff
    path = FOLDER / "turned.jpg"
    path.write_bytes(content[:2] + exif + content[2:])
    return path


@pytest.mark.parametrize("ends", ["jpg", "png", "webp"])
async def test_a_picture_comes_in_a_few_sizes_never_enlarged(ends: str, tmp_path: Path) -> None:
    made = await pictures(picture("1000x500", ends), tmp_path, use="auction")

    assert [(one.width, one.height) for one in made] == [(320, 160), (800, 400), (1000, 500)]
    assert lying(tmp_path) == {one.name for one in made}
    for one in made:
        assert seen(tmp_path / one.name) == f"mjpeg,{one.width},{one.height}"
        assert (tmp_path / one.name).stat().st_size == one.size_bytes


async def test_an_avatar_is_square(tmp_path: Path) -> None:
    made = await pictures(picture("640x480"), tmp_path, use="avatar")

    assert [(one.width, one.height) for one in made] == [(96, 96), (256, 256), (480, 480)]


async def test_a_picture_of_a_phone_held_upright_is_upright_and_says_nothing(tmp_path: Path) -> None:
    made = await pictures(turned(picture()), tmp_path, use="auction")

    assert [(one.width, one.height) for one in made] == [(240, 320), (480, 640)]
    for one in made:
        content = (tmp_path / one.name).read_bytes()
        assert b"Exif" not in content
        assert b"Pln" not in content


async def test_what_was_transparent_is_white(tmp_path: Path) -> None:
    clear = picture("200x200", "png", "color=red@0.0,format=rgba,scale=")

    [_, large] = await pictures(clear, tmp_path, use="avatar")

    assert brightness(tmp_path / large.name, 0, 0, 200, 200) > 250


BAD = {
    "empty": b"",
    "text": b"not a picture",
    "a page": b"<html><script>x</script></html>",
    "an SVG": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "a GIF": b"GIF89a\1\0\1\0\0\0\0;",
    "a film": b"\0\0\0\x18ftypisom" + bytes(50),
    "one byte of JPEG": b"\xff",
    "only a head of JPEG": b"\xff\xd8\xff\xe0" + bytes(20),
    "only a head of PNG": b"\x89PNG\r\n\x1a\n",
    "only a head of WebP": b"RIFF\x10\0\0\0WEBPVP8 \0\0",
    "a moving WebP": b"RIFF\x20\0\0\0WEBPVP8X\x0a\0\0\0\x02" + bytes(20),
}
CODES = {"not_a_picture", "empty", "damaged", "moving_picture"}


@pytest.mark.parametrize("name", BAD)
async def test_what_is_no_picture_is_refused(name: str, tmp_path: Path) -> None:
    path = FOLDER / f"{name}.jpg"
    path.write_bytes(BAD[name])

    with pytest.raises(Unfit) as unfit:
        await pictures(path, tmp_path, use="avatar")

    assert unfit.value.code in CODES
    assert lying(tmp_path) == set()


def bomb(side: int) -> bytes:
    """A PNG of a few bytes that says it is huge."""
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(1000))),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )


async def test_a_small_file_that_says_it_is_huge_is_refused(tmp_path: Path) -> None:
    path = FOLDER / "bomb.png"
    path.write_bytes(bomb(30_000))

    with pytest.raises(Unfit) as unfit:
        await pictures(path, tmp_path, use="auction")

    assert unfit.value.code == "too_large_picture"


async def test_a_dot_is_too_small(tmp_path: Path) -> None:
    with pytest.raises(Unfit) as unfit:
        await pictures(picture("8x8", "png"), tmp_path, use="avatar")

    assert unfit.value.code == "too_small_picture"


async def test_a_picture_cut_off_is_refused(tmp_path: Path) -> None:
    path = FOLDER / "cut.png"
    path.write_bytes(picture(ends="png").read_bytes()[:900])

    with pytest.raises(Unfit) as unfit:
        await pictures(path, tmp_path, use="auction")

    assert unfit.value.code in ("damaged", "not_a_picture")
