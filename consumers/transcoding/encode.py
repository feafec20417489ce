"""Tasks of a plan done by ffmpeg in its sandbox: segments of every rung, and the sound."""

from pathlib import Path

from consumers.transcoding.film import Film
from consumers.transcoding.package import Piece
from consumers.transcoding.plan import Plan, Task


async def encode(source: Path, folder: Path, *, film: Film, plan: Plan, task: Task) -> list[Piece]:
    """Do one task: leaves files named `piece.name` in `folder` (which must exist) and says what they are.

    The same task gives the same bytes with the same build of ffmpeg. One thread, one core. Raises Unfit `damaged` or
    `too_costly` when the film is at fault, `sandbox.Failed` when the machine is (no space, killed): try again.
    When cancelled it kills its ffmpeg first.
    """
    raise NotImplementedError
