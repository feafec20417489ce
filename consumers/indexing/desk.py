"""Learns from events: folds them into what is known and has the documents written that change by them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

import msgspec

from consumers.indexing import store
from consumers.indexing.mapping import Kind
from consumers.indexing.project import Auction, Person, fold_auction, fold_person, hides
from consumers.indexing.said import told_at
from consumers.runtime import Database, Incoming, Verdict, Write

_auctions = msgspec.json.Decoder(Auction)
_people = msgspec.json.Decoder(Person)
encode = msgspec.json.Encoder().encode
read_auction: Callable[[bytes], Auction] = _auctions.decode
read_person: Callable[[bytes], Person] = _people.decode


class Heard(Protocol):
    """An event as the runtime or a rebuild reads it."""

    @property
    def aggregate(self) -> UUID: ...
    @property
    def body(self) -> Any: ...
    @property
    def sequence(self) -> int | None: ...
    @property
    def value(self) -> bytes: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...


def fold_event(state: Auction | Person, event: Heard) -> Auction | Person:
    """The state after an event."""
    if isinstance(state, Auction):
        return fold_auction(state, event.body, event.sequence or 0, lambda: told_at(event.value))
    return fold_person(state, event.body, event.sequence or 0)


def known_of(state: Auction | Person, event: Heard) -> store.Known:
    """The row of a state that an event changed."""
    seller = UUID(state.seller_id) if isinstance(state, Auction) and state.seller_id else None
    return store.Known(event.aggregate, seller, encode(state), state.version, event.partition, event.offset)


class Learner:
    """The desk of one partition of one kind; it keeps nothing between batches, so its memory is that of a batch."""

    def __init__(self, kind: Kind, *, window_ms: int, wake: Callable[[], None]) -> None:
        """Take the kind, its window, and what tells the writer that something is to be written."""
        self._kind = kind
        self._window_ms = window_ms
        self._wake = wake

    async def decide(
        self,
        batch: Sequence[Incoming],
        earlier: Mapping[UUID, object],  # noqa: ARG002 - every desk is asked alike
        db: Database,
    ) -> Verdict:
        """The states that the batch changes. A redriven event has its document written even if it is known."""
        stored = await store.states(db, self._kind, {event.aggregate for event in batch})
        read = read_auction if self._kind == "auctions" else read_person
        states: dict[UUID, Auction | Person] = {key: read(value) for key, value in stored.items()}
        blank = Auction() if self._kind == "auctions" else Person()
        changed: dict[UUID, Incoming] = {}
        for event in batch:
            before = states.get(event.aggregate, blank)
            after = fold_event(before, event)
            if after.version != before.version or event.redriven:
                states[event.aggregate] = after
                changed[event.aggregate] = event
        known = [known_of(states[key], event) for key, event in changed.items()]
        if known:
            self._wake()
        writes = store.keep(self._kind, known, window_ms=self._window_ms)
        return Verdict(writes=[*writes, *_hiding({key: states[key] for key in changed})])


def _hiding(changed: Mapping[UUID, Auction | Person]) -> list[Write]:
    """At once, beside what is written anew one after the other: whom searches leave out, and whom no longer."""
    people = {key: hides(state) for key, state in changed.items() if isinstance(state, Person)}
    return store.hide([key for key, hidden in people.items() if hidden]) + store.show(
        [key for key, hidden in people.items() if not hidden]
    )
