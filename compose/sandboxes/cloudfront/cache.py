"""The CDN stand-in's cache on disk: one file of nginx per object, whose head names the object's path."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

_HEAD_BYTES = 4_096
_MARK = b"\nKEY: "


class Cache:
    """nginx's cache folder; a file that is removed is fetched from the origin again."""

    def __init__(self, folder: Path) -> None:
        """Take the folder, which nginx makes."""
        self._folder = folder

    def purge(self, patterns: Iterable[str]) -> int:
        """Remove what the patterns cover (a path, or the beginning of paths and `*`); returns how many objects."""
        wanted = list(patterns)
        gone = 0
        for file, path in self._objects():
            if any(_covers(pattern, path) for pattern in wanted):
                file.unlink(missing_ok=True)
                gone += 1
        return gone

    def _objects(self) -> Iterator[tuple[Path, str]]:
        for file in self._folder.iterdir() if self._folder.exists() else ():
            # nginx removes files, too, and writes new ones under names of their own.
            with suppress(FileNotFoundError), file.open("rb") as opened:
                _, mark, rest = opened.read(_HEAD_BYTES).partition(_MARK)
                if mark:
                    yield file, rest.partition(b"\n")[0].decode(errors="replace")


def _covers(pattern: str, path: str) -> bool:
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern
