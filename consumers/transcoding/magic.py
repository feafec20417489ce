"""What a file is, by its own bytes and never by its name: the first gate, cheap and without any decoder."""

from pathlib import Path
from typing import Literal

from consumers.transcoding.film import Container

PictureKind = Literal["jpeg", "png", "webp"]


def container_of(path: Path) -> Container:
    """The container of a film whose outer structure is whole; raises Unfit."""
    raise NotImplementedError


def picture_kind_of(path: Path) -> PictureKind:
    """The kind of a still picture; raises Unfit `not_a_picture` or `empty`."""
    raise NotImplementedError
