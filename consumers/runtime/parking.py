"""Setting a key aside after a bug: its messages go to the dead letters until a person redrives them, all others go on."""

from types import TracebackType

from consumers.runtime.messages import Database, Incoming, Write

PARKED = """
    SELECT key FROM parked WHERE topic = $1 AND partition = $2
"""

PARK = """
    INSERT INTO parked (topic, partition, key, first_offset, reason) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (topic, partition, key) DO NOTHING
"""

UNPARK = """
    DELETE FROM parked WHERE topic = $1 AND partition = $2 AND key = $3
"""


class Bug(Exception):
    """Deciding failed for a reason that will not pass; the cause is the error itself."""


async def load(db: Database, topic: str, partition: int) -> set[bytes]:
    """The keys of a partition that are set aside."""
    return {row["key"] for row in await db.fetch(PARKED, topic, partition)}


def park(incoming: Incoming, reason: str) -> Write:
    """Set the key of a message aside from now on."""
    return Write(PARK, [(incoming.topic, incoming.partition, incoming.key, incoming.offset, reason)])


def unpark(incoming: Incoming) -> Write:
    """Take the key of a redriven message up again."""
    return Write(UNPARK, [(incoming.topic, incoming.partition, incoming.key)])


def place_of(error: BaseException) -> str:
    """What was raised and where: `KeyError at decide.py:71`. Never the error's text, which may repeat a message's content."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return f"{type(error).__name__}{_at(last)}"


def _at(frame: TracebackType | None) -> str:
    if frame is None:
        return ""
    return f" at {frame.tb_frame.f_code.co_filename.rpartition('/')[2]}:{frame.tb_lineno}"
