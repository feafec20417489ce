"""Bad films: made with ffmpeg, then cut and sewn byte by byte. Each with the codes that may be said of it."""

import functools
import gzip
import io
import random
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.consumers.transcoding.films import FOLDER, TONE, ffmpeg, film, fresh

Codes = frozenset[str]
VP9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus")
SMALL = {"size": "64x48", "seconds": 0.5, "rate": "10"}
SCRIPT = "<script>fetch('//x')</script>"


def plain() -> Path:
    """A good film, its index at the end, as cameras write it."""
    return film(**SMALL)


def webm() -> Path:
    """A good WebM film."""
    return film(*VP9, ends="webm", **SMALL)


@functools.cache
def zipped() -> bytes:
    """A ZIP archive with a page in it."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("index.html", f"<html>{SCRIPT}</html>")
    return packed.getvalue()


def tarred() -> bytes:
    """A tar archive."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("film.mp4"))
    return packed.getvalue()


def written(content: bytes, ends: str = "mp4") -> Path:
    """A file of these bytes."""
    path = fresh(ends)
    path.write_bytes(content)
    return path


def box(kind: bytes, *inside: bytes) -> bytes:
    """A box of MP4."""
    content = b"".join(inside)
    return struct.pack(">I4s", 8 + len(content), kind) + content


def put(source: Path, old: bytes, new: bytes) -> Path:
    """The film with the first of some bytes replaced by as many others."""
    content = source.read_bytes()
    assert len(old) == len(new)
    assert old in content
    return written(content.replace(old, new, 1), source.suffix[1:])


def cuts() -> Iterator[tuple[str, Callable[[], bytes], Codes]]:
    """Films that end too early, at many places."""
    gone = frozenset({"truncated", "empty", "not_a_film", "unreadable", "no_duration", "no_picture"})
    for name, make in (
        ("mp4", plain),
        ("faststart", lambda: film("-movflags", "+faststart", **SMALL)),
        ("webm", webm),
    ):
        for share in (0.001, 0.01, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.97, 0.999):
            yield f"{name} cut at {share:.1%}", functools.partial(_cut, make, share), gone


def _cut(make: Callable[[], Path], share: float) -> bytes:
    content = make().read_bytes()
    return content[: int(len(content) * share)]


OTHER_FILES: dict[str, Callable[[], bytes]] = {
    "a ZIP archive": zipped,
    "a tar archive": tarred,
    "a gzip file": lambda: gzip.compress(b"film" * 100),
    "a PDF": lambda: b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n",
    "a page": lambda: f"<!doctype html><html>{SCRIPT}</html>".encode(),
    "an SVG": lambda: f'<svg xmlns="http://www.w3.org/2000/svg">{SCRIPT}</svg>'.encode(),
    "a program": lambda: b"\x7fELF\x02\x01\x01" + bytes(200),
    "a Windows program": lambda: b"MZ\x90\0" + bytes(200),
    "a shell script": lambda: b"#!/bin/sh\nrm -rf /\n",
    "text": lambda: b"not a film at all\n" * 20,
    "zeros": lambda: bytes(100_000),
    "one byte": lambda: b"\0",
    "seven bytes": lambda: b"\0\0\0\x18fty",
    "noise": lambda: random.Random(4).randbytes(50_000),
    "a GIF": lambda: b"GIF89a\x01\0\x01\0\0\0\0;",
    "JPEG": lambda: b"\xff\xd8\xff\xe0" + bytes(300),
}

LISTS: dict[str, str] = {
    "HLS": "#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:{port}/a.ts\n#EXT-X-ENDLIST\n",
    "HLS after a byte order mark": "\ufeff#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:{port}/a.ts\n",
    "HLS after empty lines": "\n\n  #EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:{port}/a.ts\n",
    "HLS of files": "#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    "HLS with a key elsewhere": '#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="http://127.0.0.1:{port}/k"\n#EXTINF:1,\na.ts\n',
    "concat": "ffconcat version 1.0\nfile 'http://127.0.0.1:{port}/a.mp4'\n",
    "concat without a head": "file '/etc/passwd'\nfile 'a.mp4'\n",
    "DASH": '<?xml version="1.0"?>\n<MPD><BaseURL>http://127.0.0.1:{port}/</BaseURL></MPD>',
    "PLS": "[playlist]\nFile1=http://127.0.0.1:{port}/a.mp4\n",
    "SMIL": "<smil><body><video src='http://127.0.0.1:{port}/a.mp4'/></body></smil>",
}


def sewn() -> Iterator[tuple[str, Callable[[], bytes], Codes]]:
    """A film with something else at its end or before it."""
    foreign = frozenset({"foreign_content"})
    for name, other in (
        ("an archive", zipped()),
        ("a page", f"<html>{SCRIPT}</html>".encode()),
        ("a PDF", b"%PDF-1.7\n1 0 obj\n"),
        ("a program", b"\x7fELF\x02\x01\x01" + bytes(64)),
        ("PHP", b"<?php system($_GET[0]); ?>"),
    ):
        yield f"{name} after an mp4", functools.partial(_joined, plain, b"", other), foreign
        yield f"{name} after a webm", functools.partial(_joined, webm, b"", other), foreign
        yield f"{name} before an mp4", functools.partial(_joined, plain, other, b""), foreign | {"not_a_film"}


def _joined(make: Callable[[], Path], before: bytes, after: bytes) -> bytes:
    return before + make().read_bytes() + after


def broken_boxes() -> Iterator[tuple[str, Callable[[], bytes], Codes]]:
    """Structures that lie about themselves."""
    lies = frozenset({"truncated", "unreadable", "foreign_content", "not_a_film", "no_picture", "no_duration"})
    start = box(b"ftyp", b"isom\0\0\0\0isom")
    yield "only its first box", lambda: start, lies
    yield "an index of nothing", lambda: start + box(b"moov") + box(b"mdat"), lies
    yield "a box of 4 bytes", lambda: start + struct.pack(">I4s", 4, b"moov"), lies
    yield "a box of no bytes", lambda: start + struct.pack(">I4s", 0, b"moov"), lies
    yield "a box of 2^63 bytes", lambda: start + struct.pack(">I4sQ", 1, b"mdat", 1 << 63), lies
    yield "a box of 2^64-1 bytes", lambda: start + struct.pack(">I4sQ", 1, b"mdat", (1 << 64) - 1), lies
    yield "boxes within boxes, 20,000 deep", lambda: start + _deep(20_000) + box(b"mdat"), lies
    yield "200,000 empty boxes", lambda: start + box(b"moov", box(b"free") * 200_000) + box(b"mdat"), lies
    yield "200,000 empty boxes outside", lambda: start + box(b"free") * 200_000, lies
    yield "a child that leaves its parent", lambda: _leaving(plain().read_bytes()), lies
    yield "EBML of another kind", lambda: webm().read_bytes().replace(b"webm", b"mebw", 1), lies
    yield "EBML that ends after its head", lambda: webm().read_bytes()[:40], lies
    yield "an element of 2^56 bytes", lambda: webm().read_bytes()[:36] + b"\x18\x53\x80\x67\x01" + b"\xfe" * 7, lies
    yield "only zeros as elements", lambda: webm().read_bytes()[:48] + bytes(5_000), lies


def _deep(levels: int) -> bytes:
    sizes = range(8 * levels, 0, -8)
    return b"".join(struct.pack(">I4s", size, b"moov" if size == 8 * levels else b"trak") for size in sizes)


def _leaving(content: bytes) -> bytes:
    at = content.index(b"trak") - 4
    return content[:at] + struct.pack(">I", int.from_bytes(content[at : at + 4], "big") + 8) + content[at + 4 :]


def _unusual(picture: str, ends: str, *more: str) -> Path:
    return film("-c:v", picture, *more, ends=ends, size="64x64", seconds=0.3, rate="10", sound=False)


def _scrambled() -> Path:
    content = bytearray(film("-g", "5", "-movflags", "+faststart", size="128x96", seconds=1, sound=False).read_bytes())
    at = content.index(b"mdat") + 4
    content[at:] = random.Random(7).randbytes(len(content) - at)
    return written(bytes(content))


def damaged(share: float) -> Path:
    """A film in whose second half so large a share of the bytes is noise; its first second is good."""
    content = bytearray(film("-g", "10", "-movflags", "+faststart", seconds=4, sound=False).read_bytes())
    start, chance = content.index(b"mdat") + 4, random.Random(11)
    for at in range(start + (len(content) - start) // 3, len(content)):
        if chance.random() < share:
            content[at] = chance.randrange(256)
    return written(bytes(content))


def _still_times() -> Path:
    """Every frame at the same moment."""
    content = bytearray(plain().read_bytes())
    at = -1
    while (at := content.find(b"stts", at + 1)) >= 0:
        for entry in range(int.from_bytes(content[at + 8 : at + 12], "big")):
            content[at + 16 + 8 * entry : at + 20 + 8 * entry] = bytes(4)
    return written(bytes(content))


def elsewhere(port: int) -> Path:
    """Its data lie behind an address (a data reference, ISO 14496-12 section 8.7.2)."""
    content = film("-movflags", "+faststart", sound=False, **SMALL).read_bytes()
    address = f"http://127.0.0.1:{port}/film.mp4".encode()
    own, other = box(b"url ", b"\0\0\0\1"), box(b"url ", b"\0\0\0\0", address + b"\0")
    content = content.replace(own, other, 1)
    for kind in (b"dref", b"dinf", b"minf", b"mdia", b"trak", b"moov"):
        at = content.index(kind) - 4
        longer = int.from_bytes(content[at : at + 4], "big") + len(other) - len(own)
        content = content[:at] + struct.pack(">I", longer) + content[at + 4 :]
    return written(content)


def _with_cover() -> Path:
    cover = FOLDER / "cover.png"
    ffmpeg("-f", "lavfi", "-i", "color=red:s=64x64", "-frames:v", "1", cover)
    path = FOLDER / "covered.mp4"
    tone = [part.format(seconds=1) for part in TONE]
    ffmpeg(
        *tone,
        "-i",
        cover,
        "-map",
        "0",
        "-map",
        "1",
        "-c:a",
        "aac",
        "-c:v",
        "png",
        "-disposition:v",
        "attached_pic",
        path,
    )
    return path


def _streams(count: int) -> Path:
    path = FOLDER / f"streams-{count}.mp4"
    ffmpeg("-i", plain(), *["-map", "0:a"] * (count - 1), "-map", "0:v", "-c", "copy", path)
    return path


def made() -> dict[str, tuple[Callable[[], Path], Codes]]:
    """Whole files in which the wrong thing is."""
    key = ("-encryption_scheme", "cenc-aes-ctr", "-encryption_key", "0" * 32, "-encryption_kid", "1" * 32)
    picture, sound = frozenset({"unsupported_picture"}), frozenset({"unsupported_sound"})
    return {
        "MagicYUV in matroska": (lambda: _unusual("magicyuv", "mkv", "-pix_fmt", "gbrp"), picture),
        "MagicYUV in quicktime": (lambda: _unusual("magicyuv", "mov", "-pix_fmt", "gbrp"), picture),
        "Ut Video": (lambda: _unusual("utvideo", "mkv"), picture),
        "FFV1": (lambda: _unusual("ffv1", "mkv"), picture),
        "ProRes": (lambda: _unusual("prores_ks", "mov", "-pix_fmt", "yuv422p10le"), picture),
        "Motion JPEG": (lambda: _unusual("mjpeg", "mov", "-pix_fmt", "yuvj420p"), picture),
        "MPEG-4 part 2": (lambda: _unusual("mpeg4", "mp4"), picture),
        "PNG frames": (lambda: _unusual("png", "mov", "-pix_fmt", "rgb24"), picture),
        "raw video": (lambda: _unusual("rawvideo", "mkv"), picture),
        "an AVI": (lambda: _unusual("mpeg4", "avi"), frozenset({"not_a_film"})),
        "a transport stream": (lambda: film(ends="ts", **SMALL), frozenset({"not_a_film"})),
        "an FLV": (lambda: film("-ar", "44100", ends="flv", **SMALL), frozenset({"not_a_film"})),
        "a WAV": (lambda: film("-c:a", "pcm_s16le", ends="wav", picture=False), frozenset({"not_a_film"})),
        "PCM sound": (lambda: film("-c:a", "pcm_s16le", ends="mov", **SMALL), sound),
        "FLAC sound": (lambda: film("-c:a", "flac", ends="mkv", **SMALL), sound),
        "AC-3 sound": (lambda: film("-c:a", "ac3", **SMALL), sound),
        "only sound": (lambda: film(picture=False, seconds=1), frozenset({"no_picture"})),
        "only sound and its cover": (_with_cover, frozenset({"no_picture"})),
        "8192 x 8192": (
            lambda: film("-tune", "zerolatency", size="8192x8192", rate="1", seconds=1, sound=False),
            frozenset({"too_large_picture", "unreadable"}),
        ),
        "8 x 8": (lambda: _unusual("libx264", "mp4", "-vf", "scale=8:8"), frozenset({"too_small_picture"})),
        "1000 frames per second": (
            lambda: film(size="32x32", rate="1000", seconds=1, sound=False),
            frozenset({"too_many_frames"}),
        ),
        "100 streams": (lambda: _streams(100), frozenset({"too_many_streams"})),
        "9 streams": (lambda: _streams(9), frozenset({"too_many_streams"})),
        "11 minutes": (
            lambda: film(size="32x32", rate="1", seconds=660, sound=False),
            frozenset({"too_long"}),
        ),
        "no time passes": (_still_times, frozenset({"no_duration", "unreadable"})),
        "encrypted": (lambda: film(*key, sound=False, **SMALL), frozenset({"encrypted"})),
        "encrypted sound": (lambda: film(*key, **SMALL), frozenset({"encrypted"})),
        "noise where the picture was": (_scrambled, frozenset({"damaged", "unreadable"})),
        "a script for a title": (
            lambda: film("-metadata", f"title={SCRIPT}", **SMALL),
            frozenset({"hostile_metadata"}),
        ),
        "a script for a comment": (
            lambda: film("-metadata", "comment=<img src=x onerror=alert(1)>", **SMALL),
            frozenset({"hostile_metadata"}),
        ),
        "PHP for an artist": (
            lambda: film("-metadata", "artist=<?php die(); ?>", **SMALL),
            frozenset({"hostile_metadata"}),
        ),
        "a script in a webm": (
            lambda: film(*VP9, "-metadata", "title=javascript:alert(1)", ends="webm", **SMALL),
            frozenset({"hostile_metadata"}),
        ),
        "an avc1 that is none": (lambda: put(plain(), b"avc1\0\0\0\0", b"zzzz\0\0\0\0"), picture | {"no_picture"}),
        "a codec's head overwritten": (
            lambda: put(plain(), b"avcC\x01", b"avcC\xff"),
            frozenset({"damaged", "unreadable"}),
        ),
    }
