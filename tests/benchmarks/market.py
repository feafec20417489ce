"""Who bids on what in the benchmarks: people with tokens, auctions, and commands put straight on the topic."""

import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from uuid import NAMESPACE_OID, UUID, uuid4, uuid5

import msgspec
from aiokafka import AIOKafkaProducer

from compose.settings import Settings
from edge_api.tokens import Tokens
from schemas import envelope
from schemas.envelope import Actor, new_command_id, print_time, time_ms
from schemas.registry import BY_NAME
from topics.catalog import AUCTION_COMMANDS

SELLER = uuid5(NAMESPACE_OID, "seller")
DURATION_S = 30 * 86_400
OFFER = {"title": "Benchmarked lens", "startingPrice": 1, "duration": DURATION_S, "increments": "FLAT-1"}
BIDDERS_OF_HOT = 200
BIDDERS_OF_ONE = 20
BATCH_BYTES = 900_000


def bidder(number: int) -> UUID:
    """The bidder of that number, the same in every run."""
    return uuid5(NAMESPACE_OID, f"bidder-{number}")


def tokens(settings: Settings, count: int) -> list[str]:
    """Access tokens of bidders, made with the stack's own key: nobody registers in a benchmark."""
    maker = Tokens(settings)
    now = time.time()
    return [maker.make(bidder(number), ("buyer",), str(uuid4()), at=now) for number in range(count)]


class Asked(NamedTuple):
    """A command that will stand on the topic."""

    name: str
    auction: UUID
    actor: Actor
    data: bytes


def opening(auction: UUID) -> Asked:
    """The command that opens an auction of 30 days, steps of 1.00."""
    return Asked("CreateAuction", auction, Actor(str(SELLER), ("seller",)), msgspec.json.encode(OFFER))


def bid_body(turn: int, top: int) -> bytes:
    """What is bid in turn `turn` when about `top` was bid before: of each ten six plain, three automatic, one too low.

    Most take the lead, the one after an automatic bid is outbid by its hidden maximum, the low one is refused.
    """
    match turn % 10:
        case 2 | 5 | 8:
            return b'{"maxAmount":%d}' % (top + 5)
        case 7:
            return b'{"amount":1}'
        case _:
            return b'{"amount":%d}' % (top + 2)


def bids(auctions: list[UUID], count: int, *, first: int = 0) -> Iterator[Asked]:
    """`count` bids, in turn on each auction; `first` is how many bids each had before.

    A hot auction has BIDDERS_OF_HOT bidders, each of many has BIDDERS_OF_ONE.
    """
    people = [Actor(str(bidder(number)), ("buyer",)) for number in range(BIDDERS_OF_HOT)]
    each = BIDDERS_OF_HOT if len(auctions) == 1 else BIDDERS_OF_ONE
    for number in range(count):
        turn, place = divmod(number, len(auctions))
        turn += first
        actor = people[(place * each + turn % each) % BIDDERS_OF_HOT]
        yield Asked("PlaceBid", auctions[place], actor, bid_body(turn, 2 * turn))


class Prefill:
    """Puts commands on a partition as the edge would have written them, in large record batches."""

    def __init__(self, settings: Settings, *, reply_partition: int = 0) -> None:
        self._settings = settings
        self._reply_partition = reply_partition
        self._producer = AIOKafkaProducer(
            bootstrap_servers=settings.kafka_bootstrap, acks="all", enable_idempotence=True, max_batch_size=BATCH_BYTES
        )

    async def __aenter__(self) -> "Prefill":
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    async def put(self, partition: int, asked: Iterable[Asked]) -> tuple[int, int]:
        """Write at least one command; returns the offset of the first and the one after the last."""
        at = print_time(time_ms())
        pending = []
        batch = self._producer.create_batch()
        for one in asked:
            key, value, headers = self._record(one, at)
            if batch.append(timestamp=None, key=key, value=value, headers=headers) is None:
                pending.append(await self._producer.send_batch(batch, AUCTION_COMMANDS.name, partition=partition))
                batch = self._producer.create_batch()
                batch.append(timestamp=None, key=key, value=value, headers=headers)
        pending.append(await self._producer.send_batch(batch, AUCTION_COMMANDS.name, partition=partition))
        told = [await future for future in pending]
        return told[0].offset, told[-1].offset + batch.record_count()

    def _record(self, asked: Asked, at: str) -> tuple[bytes, bytes, list[tuple[str, bytes]]]:
        message = BY_NAME[asked.name]
        command_id = new_command_id()
        subject = str(asked.auction)
        value = b'{"commandId":"%b","commandType":"%b","timestamp":"%b","data":%b}' % (
            str(command_id).encode(),
            asked.name.encode(),
            at.encode(),
            asked.data,
        )
        headers = envelope.command_headers(
            command_id=command_id,
            ce_type=message.ce_type,
            source="/edge",
            subject=subject,
            schema=message.schema,
            at=at,
            actor=asked.actor,
            correlation_id=command_id.hex,
            traceparent=f"00-{command_id.hex}-{command_id.hex[:16]}-00",
            reply_partition=self._reply_partition,
        )
        return subject.encode(), value, headers
