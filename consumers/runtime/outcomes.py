"""The committed outcomes that a process remembers; they never change, so they outlive the state of a partition."""

from collections.abc import Iterable, Sequence
from uuid import UUID, uuid5

from consumers.runtime.messages import Database, Incoming, Remembered

CAPACITY_BYTES = 24 << 20
ENTRY_BYTES = 250
"""What an outcome takes beside its reply."""

RECALL = """
    SELECT command_id, fingerprint, reply FROM log WHERE command_id = ANY($1)
"""


class Outcomes:
    """The last outcomes by command id: at least half of the capacity, at most all of it."""

    def __init__(self, capacity_bytes: int = CAPACITY_BYTES) -> None:
        self._half = capacity_bytes // 2
        self._size = 0
        self._young: dict[UUID, Remembered] = {}
        self._old: dict[UUID, Remembered] = {}

    def get(self, command_id: UUID) -> Remembered | None:
        """The outcome of a command, if it is remembered."""
        return self._young.get(command_id) or self._old.get(command_id)

    def put(self, command_id: UUID, outcome: Remembered) -> None:
        """Remember a committed outcome."""
        self._young[command_id] = outcome
        self._size += len(outcome.reply) + ENTRY_BYTES
        if self._size >= self._half:
            self._old, self._young, self._size = self._young, {}, 0

    async def recall(self, db: Database, command_ids: Iterable[UUID]) -> int:
        """Look commands up in the log; returns how many of them are there."""
        rows = await db.fetch(RECALL, [one for one in command_ids if self.get(one) is None])
        for command_id, fingerprint, reply in rows:
            self.put(command_id, Remembered(fingerprint, reply))
        return len(rows)


def id_of_conflict(command_id: UUID, fingerprint: bytes | None) -> UUID:
    """The id under which a command is recorded whose own id stands for another request."""
    return uuid5(command_id, fingerprint.hex() if fingerprint else "")


class Sifted:
    """A batch sorted into what is to be decided, what only repeats, and what must wait for the rest's outcome."""

    __slots__ = ("earlier", "fresh", "recorded_as", "repeats", "rest")

    def __init__(self) -> None:
        self.fresh: list[Incoming] = []
        self.recorded_as: dict[int, UUID] = {}
        """Offset -> id in the log, where that is not the command's own."""
        self.earlier: dict[UUID, Remembered] = {}
        self.repeats: list[tuple[Incoming, UUID]] = []
        """A repeated command and the id whose stored reply it gets, once this batch is committed."""
        self.rest: list[Incoming] = []


def all_fresh(batch: Sequence[Incoming]) -> Sifted:
    """A batch of events: their repetition is the desk's to know (SequenceGuard)."""
    sifted = Sifted()
    sifted.fresh = list(batch)
    return sifted


def sift(batch: Sequence[Incoming], outcomes: Outcomes) -> Sifted:
    """Tell new commands from repeated ones (same id and fingerprint) and from ids used for something else."""
    sifted = Sifted()
    first: dict[UUID, Incoming] = {}
    for position, incoming in enumerate(batch):
        known = outcomes.get(incoming.id)
        if known is None:
            twin = first.setdefault(incoming.id, incoming)
            if twin is incoming:
                sifted.fresh.append(incoming)
            elif twin.fingerprint == incoming.fingerprint:
                sifted.repeats.append((incoming, incoming.id))
            else:
                # What its twin becomes is not known before the commit, and the desk must be told.
                sifted.rest = list(batch[position:])
                break
        elif known.fingerprint == incoming.fingerprint:
            sifted.repeats.append((incoming, incoming.id))
        else:
            recorded_as = id_of_conflict(incoming.id, incoming.fingerprint)
            twin = first.setdefault(recorded_as, incoming)
            if twin is not incoming or outcomes.get(recorded_as) is not None:
                sifted.repeats.append((incoming, recorded_as))
            else:
                sifted.fresh.append(incoming)
                sifted.recorded_as[incoming.offset] = recorded_as
                sifted.earlier[incoming.id] = known
    return sifted
