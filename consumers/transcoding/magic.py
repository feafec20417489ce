"""What a file is, by its own bytes and never by its name: the first gate, cheap and without any decoder."""

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, NamedTuple

from consumers.transcoding.film import Container
from consumers.transcoding.unfit import Unfit

PictureKind = Literal["jpeg", "png", "webp"]

_LISTS: Final = (b"#EXTM3U", b"ffconcat", b"[playlist]", b"<MPD", b"<smil", b"<asx", b"file '", b'file "')
_BOXES: Final = frozenset(
    b"ftyp moov mdat free skip wide uuid moof mfra sidx ssix styp prft emsg pdin meta udta pnot PICT junk".split()
)
_FIRST_BOXES: Final = frozenset(b"ftyp moov mdat free skip wide pnot".split())
_NESTED: Final = frozenset(b"trak mdia minf stbl mvex edts dinf".split())
_EBML: Final = b"\x1a\x45\xdf\xa3"
_SEGMENT: Final = 0x18538067
_CLUSTER: Final = 0x1F43B675
_TOP_ELEMENTS: Final = frozenset({0x1A45DFA3, _SEGMENT, 0xEC, 0xBF})  # EBML, Segment, Void, CRC-32
_TOP_FIRST_BYTES: Final = (b"\x1a", b"\x18", b"\xec", b"\xbf")
_BOXES_MAX: Final = 100_000
_DEPTH_MAX: Final = 8
_ELEMENTS_MAX: Final = 1_000_000


def container_of(path: Path) -> Container:
    """The container of a film whose outer structure is whole; raises Unfit."""
    size = path.stat().st_size
    if size == 0:
        raise Unfit("empty")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as film:
        head = film[:4096]
        if _is_list(head):
            raise Unfit("playlist")
        if head[:4] == _EBML:
            _check_matroska(film, size)
            return "matroska"
        if head[4:8] in _FIRST_BOXES:
            _check_mp4(film, size)
            return "mp4"
    raise Unfit("not_a_film", head[:16].hex())


def picture_kind_of(path: Path) -> PictureKind:
    """The kind of a still picture; raises Unfit (`not_a_picture`, `moving_picture`, `empty`)."""
    with path.open("rb") as file:
        head = file.read(32).ljust(32, b"\0") if path.stat().st_size else b""
    if not head:
        raise Unfit("empty")
    if head[:3] == b"\xff\xd8\xff":
        return "jpeg"
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return "png"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        if head[12:16] == b"VP8X" and head[20] & 0x02:
            raise Unfit("moving_picture")
        return "webp"
    raise Unfit("not_a_picture", head[:16].hex())


def _is_list(head: bytes) -> bool:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return text.startswith(_LISTS) or (text[:5] == b"<?xml" and b"<MPD" in text)


class _Box(NamedTuple):
    kind: bytes
    inner_at: int
    ends: int


def _boxes(film: mmap.mmap, size: int) -> Iterator[_Box]:
    """The outermost boxes (ISO 14496-12 section 4.2); raises Unfit where they do not fill the file exactly."""
    at = 0
    for _ in range(_BOXES_MAX):
        if at == size:
            return
        length, kind = int.from_bytes(film[at : at + 4], "big"), film[at + 4 : at + 8]
        if kind not in _BOXES and not _may_be_box(kind):
            if _only_zeros(film, at, size):  # Some cameras fill up their last block.
                return
            raise Unfit("foreign_content" if at else "not_a_film", f"at {at}")
        inner_at = at + 8
        if length == 1:
            length, inner_at = int.from_bytes(film[at + 8 : at + 16], "big"), at + 16
        elif length == 0 and kind == b"mdat":
            length = size - at
        if length < inner_at - at:
            raise Unfit("unreadable", f"box of {length} bytes at {at}")
        if at + length > size:
            raise Unfit("truncated" if kind in _BOXES else "foreign_content", f"{kind!r} at {at}")
        yield _Box(kind, inner_at, at + length)
        at += length
    raise Unfit("unreadable", "too many boxes")


def _may_be_box(kind: bytes) -> bool:
    return len(kind) == 4 and all(48 <= c <= 57 or 65 <= c <= 90 or 97 <= c <= 122 or c in b" \xa9_" for c in kind)


def _only_zeros(film: mmap.mmap, at: int, size: int) -> bool:
    return size - at <= 1_048_576 and not film[at:size].strip(b"\0")


def _check_mp4(film: mmap.mmap, size: int) -> None:
    boxes = list(_boxes(film, size))
    for box in boxes:
        if box.kind == b"moov":
            _check_nesting(film, box.inner_at, box.ends)
    seen = {box.kind for box in boxes}
    if b"moov" not in seen:
        # What lies in `mdat` can be found only through `moov`, which cameras write last.
        raise Unfit("truncated" if seen & {b"mdat", b"ftyp"} else "unreadable", "no moov")
    if not seen & {b"mdat", b"moof"}:
        raise Unfit("truncated", "no mdat")


def _check_nesting(film: mmap.mmap, at: int, ends: int) -> None:
    """The boxes that hold only boxes must be filled by them exactly: what is not is never shown to a demuxer."""
    open_until = [ends]
    for _ in range(_BOXES_MAX):
        while open_until and at == open_until[-1]:
            open_until.pop()
        if not open_until:
            return
        length, kind = int.from_bytes(film[at : at + 4], "big"), film[at + 4 : at + 8]
        if length < 8 or at + length > open_until[-1] or len(open_until) > _DEPTH_MAX:
            raise Unfit("unreadable", f"{kind!r} of {length} bytes at {at} leaves its parent")
        if kind in _NESTED:
            open_until.append(at + length)
        at += 8 if kind in _NESTED else length
    raise Unfit("unreadable", "too many boxes")


def _check_matroska(film: mmap.mmap, size: int) -> None:
    """Walk the elements down to where sizes are known (RFC 8794 sections 4 to 6); raises Unfit."""
    if b"webm" not in film[:128] and b"matroska" not in film[:128]:
        raise Unfit("not_a_film", "EBML of another kind")
    at, segment_ends = 0, 0
    for _ in range(_ELEMENTS_MAX):
        inside = at < segment_ends
        if at >= size or (segment_ends and not inside and _only_zeros(film, at, size)):
            break
        if segment_ends and not inside and film[at : at + 1] not in _TOP_FIRST_BYTES:
            raise Unfit("foreign_content", f"at {at}")
        element, data_at, length = _element(film, at, size)
        if not inside and element not in _TOP_ELEMENTS:
            raise Unfit("foreign_content" if segment_ends else "unreadable", f"element {element:x} at {at}")
        if element == _SEGMENT:
            segment_ends = size if length is None else data_at + length
        elif length is None and element != _CLUSTER:
            raise Unfit("unreadable", f"element {element:x} at {at} has no length")
        # What has no length is entered: its children follow.
        at = data_at if element == _SEGMENT or length is None else data_at + length
        if max(at, segment_ends) > size:
            raise Unfit("truncated", f"element {element:x} ends beyond the file")
        if inside and at > segment_ends:
            raise Unfit("unreadable", f"element {element:x} leaves its parent")
    else:
        raise Unfit("unreadable", "too many elements")
    if not segment_ends:
        raise Unfit("truncated", "no segment")


def _element(film: mmap.mmap, at: int, size: int) -> tuple[int, int, int | None]:
    """Its id, where its data begin, and its length (None: unknown); raises Unfit."""
    if at >= size:
        raise Unfit("truncated", "an element is missing")
    id_bytes = 9 - film[at].bit_length()
    if id_bytes > 4:
        raise Unfit("unreadable", f"no element at {at}")
    element, at = int.from_bytes(film[at : at + id_bytes], "big"), at + id_bytes
    if at >= size:
        raise Unfit("truncated", "an element is cut off")
    length_bytes = 9 - film[at].bit_length()
    if length_bytes > 8:
        raise Unfit("unreadable", f"no length at {at}")
    mask = (1 << (7 * length_bytes)) - 1
    length = int.from_bytes(film[at : at + length_bytes], "big") & mask
    return element, at + length_bytes, None if length == mask else length
