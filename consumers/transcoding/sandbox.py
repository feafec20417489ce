"""ffmpeg and ffprobe behind a wall: no network, one input, one output folder, bounded time, memory and disk."""

from dataclasses import dataclass


class Failed(Exception):
    """The machine could not do it (killed, no space, no ffmpeg); the file may be good: try again."""


class Refused(Exception):
    """The program ended with an error of its own; `said` are its last lines."""

    def __init__(self, code: int, said: str) -> None:
        super().__init__(f"exit {code}: {said[-300:]}")
        self.code = code
        self.said = said


class OutOfBounds(Exception):
    """The program was killed since it passed a limit (`wall`, `cpu`, `memory`, `output`)."""

    def __init__(self, limit: str) -> None:
        super().__init__(limit)
        self.limit = limit


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What one run may take at most."""

    wall_s: float
    cpu_s: int
    memory_bytes: int = 3_000_000_000
    file_bytes: int = 1_000_000_000
    answer_bytes: int = 16_000_000
