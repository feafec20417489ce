"""Avatars and auction pictures: checked, upright, stripped of all metadata, in a few sizes (JPEG)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Use = Literal["avatar", "auction"]
"""An avatar is cut to a square; an auction's picture keeps its shape."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One size of a picture: a JPEG named by its content."""

    name: str
    width: int
    height: int
    size_bytes: int


async def pictures(source: Path, folder: Path, *, use: Use) -> tuple[Picture, ...]:
    """Make all sizes, small to large, never larger than the source: leaves files named `picture.name` in `folder`.

    Raises Unfit (`not_a_picture`, `empty`, `too_large_picture`, `too_small_picture`, `too_many_bytes`, `damaged`).
    """
    raise NotImplementedError
