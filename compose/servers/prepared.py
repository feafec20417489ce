"""Data folders that are made once, and made again when an earlier attempt was cut short."""

import shutil
from collections.abc import Callable
from pathlib import Path

from compose.stack import Stack


def once(stack: Stack, name: str, build: Callable[[Path], None]) -> Path:
    """The folder `data/NAME`, built by `build` if no earlier build ended well. The mark is set last."""
    folder = stack.data / name
    mark = stack.data / f"{name}.prepared"
    if not mark.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        build(folder)
        mark.touch()
    return folder
