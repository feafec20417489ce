"""Two thousand films with bytes turned, cut out, put in and doubled: each is a film or is refused, and nothing breaks."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from consumers.transcoding.plan import plan
from consumers.transcoding.probe import Limits, probe
from consumers.transcoding.unfit import REASONS, Unfit
from tests.consumers.transcoding.films import film

COUNT = 2_000
AT_ONCE = 3
SEED = 20261126
EXTREMES = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0\0\0\1", b"\0\0\xff\xff")

Mutation = Callable[[bytearray, random.Random], None]


def turned(content: bytearray, chance: random.Random) -> None:
    """A few bytes are others."""
    for _ in range(chance.randint(1, 12)):
        content[chance.randrange(len(content))] = chance.randrange(256)


def extreme(content: bytearray, chance: random.Random) -> None:
    """A length or a count, somewhere in the index, is as large or as small as can be."""
    named = [
        at for kind in (b"stsz", b"stts", b"stsc", b"stco", b"stsd", b"mvhd", b"trak") for at in _all(content, kind)
    ]
    at = chance.choice(named) + 4 * chance.randint(-1, 6) if named else chance.randrange(len(content) - 4)
    content[at : at + 4] = chance.choice(EXTREMES)


def cut_out(content: bytearray, chance: random.Random) -> None:
    """A stretch is missing."""
    at = chance.randrange(len(content))
    del content[at : at + chance.randint(1, 400)]


def put_in(content: bytearray, chance: random.Random) -> None:
    """A stretch of noise is in between."""
    at = chance.randrange(len(content))
    content[at:at] = chance.randbytes(chance.randint(1, 200))


def doubled(content: bytearray, chance: random.Random) -> None:
    """A stretch comes twice."""
    at = chance.randrange(len(content))
    content[at:at] = content[at : at + chance.randint(8, 400)]


def ended(content: bytearray, chance: random.Random) -> None:
    """The rest is missing."""
    del content[chance.randrange(len(content)) :]


# What passes the first gate costs a run of ffprobe, a tenth of a second: the fewer of these, the shorter the test.
MUTATIONS: tuple[Mutation, ...] = (*[ended] * 4, *[cut_out] * 3, *[put_in] * 3, *[doubled] * 2, *[extreme] * 2, turned)


def _all(content: bytearray, kind: bytes) -> list[int]:
    found, at = [], content.find(kind)
    while at >= 0:
        found.append(at)
        at = content.find(kind, at + 1)
    return found


async def test_2000_mutated_films_break_nothing(tmp_path: Path) -> None:
    bases = [
        film(size="32x32", rate="10", seconds=0.5).read_bytes(),
        film("-movflags", "+frag_keyframe+empty_moov", size="32x32", rate="10", seconds=0.5).read_bytes(),
        film("-c:v", "libvpx", "-c:a", "libvorbis", ends="webm", size="32x32", rate="10", seconds=0.5).read_bytes(),
    ]
    outcomes: Counter[str] = Counter()
    numbers = iter(range(COUNT))

    async def work() -> None:
        for number in numbers:
            outcomes[await outcome(number, bases, tmp_path)] += 1

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))

    assert outcomes.total() == COUNT
    assert set(outcomes) <= {*REASONS, "planned"}
    # If all were stopped at the door, or none, this would show nothing.
    assert outcomes["planned"] > 50
    assert outcomes["truncated"] > 200


async def outcome(number: int, bases: list[bytes], folder: Path) -> str:
    """What becomes of the film of a number: `planned`, or the code of its refusal."""
    chance = random.Random(SEED + number)
    content = bytearray(bases[number % len(bases)])
    MUTATIONS[number // len(bases) % len(MUTATIONS)](content, chance)
    path = folder / f"{number}.mp4"
    path.write_bytes(content)
    try:
        planned = plan(await probe(path, Limits()))
    except Unfit as unfit:
        return unfit.code
    finally:
        path.unlink()
    assert planned.tasks
    return "planned"
