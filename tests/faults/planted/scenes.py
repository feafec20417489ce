"""The smallest scenes that bring each kind of bug to light: a crash, a failure, a zombie, repetitions, a story, an end."""

import asyncio
import signal
from uuid import UUID, uuid4

from aiokafka import AIOKafkaProducer

from schemas.envelope import print_time, time_ms
from tests.faults.asking import CLOCK, Person, bidder, lamp, seller
from tests.faults.gather import read_topic
from tests.faults.history import Answer
from tests.faults.house import until
from tests.faults.planted.stage import Stage, Worker
from topics.catalog import AUCTION_COMMANDS, AUCTION_EVENTS

TRIES_TO_MEET_THE_END = 20
SECONDS_TO_THE_END = 2
ENDS = 60
"""Milliseconds in which an auction ends."""


async def crash(stage: Stage, plant: str, point: str = "committed") -> list[str]:
    """A worker dies at a fault point with a batch in hand, and another takes its place."""
    worker = await stage.running(plant, faults=f"{point}=kill:{{now}}")
    auction = await _opened(stage)
    for amount in (11, 12):
        await stage.asking.told("PlaceBid", auction, {"amount": amount}, by=bidder())
    await stage.settled()
    await _in_one_batch(stage, worker, auction, range(13, 16), [bidder(), bidder()])
    assert await worker.ended() == -signal.SIGKILL
    await stage.asking.heard_all()
    found = await stage.wrong(settled=False)

    await stage.running(plant)
    await stage.asking.ask("PlaceBid", auction, {"amount": 16}, by=bidder())
    await stage.settled()
    return found + await stage.wrong()


async def failure(stage: Stage, plant: str) -> list[str]:
    """The database seems to be away for one batch."""
    await stage.running(plant, faults="decided=error:{now}")
    auction = await _opened(stage)
    stage.trigger.touch()
    for amount in (11, 12, 13):
        await stage.asking.ask("PlaceBid", auction, {"amount": amount}, by=bidder())
    await stage.settled()
    return await stage.wrong()


async def zombie(stage: Stage, plant: str, *, offer: bool = False) -> list[str]:
    """A worker is stopped with a decided batch in hand until another has taken over and gone on; then it wakes.

    Bids are stored by one statement; an `offer`, whose listing is written beside it, by a transaction.
    """
    sleeper = await stage.running(plant, faults="decided=stop:{now}")
    auction = await _opened(stage)
    people = [bidder(), bidder()]
    for amount, who in enumerate(people, 11):
        await stage.asking.told("PlaceBid", auction, {"amount": amount}, by=who)
    if offer:
        auction = uuid4()
        await _paused(sleeper)
        await stage.asking.ask("CreateAuction", auction, lamp(), by=seller())
        _woken(stage, sleeper)
    else:
        await _in_one_batch(stage, sleeper, auction, range(13, 16), people)
    await sleeper.stopped()

    await stage.start(plant, slot=2)
    await stage.asking.told("PlaceBid", auction, {"amount": 16}, by=bidder())
    sleeper.send(signal.SIGCONT)
    await until(sleeper.ready, within_s=30, what="the zombie is a worker again")
    await stage.asking.ask("PlaceBid", auction, {"amount": 17}, by=bidder())
    await stage.settled()
    return await stage.wrong()


async def repetitions(stage: Stage, plant: str) -> list[str]:
    """Commands come twice in one batch, again later, again after a restart, and once with another body."""
    worker = await stage.running(plant)
    auction, anna, ben = await _opened(stage), bidder(), bidder()
    name, other = uuid4(), uuid4()
    await _paused(worker)
    for amount in (11, 11, 12):
        await stage.asking.ask("PlaceBid", auction, {"amount": amount}, by=anna, command_id=name)
    await stage.asking.ask("PlaceBid", auction, {"amount": 13}, by=ben, command_id=other)
    worker.send(signal.SIGCONT)
    await stage.settled()
    await stage.asking.ask("PlaceBid", auction, {"amount": 11}, by=anna, command_id=name)
    await stage.asking.ask("PlaceBid", auction, {"amount": 14}, by=ben, command_id=other)
    await stage.settled()

    worker.send(signal.SIGKILL)
    await worker.ended()
    await stage.running(plant)
    await stage.asking.ask("PlaceBid", auction, {"amount": 13}, by=ben, command_id=other)
    await stage.asking.ask("PlaceBid", auction, {"amount": 12}, by=anna, command_id=name)
    await stage.settled()
    return await stage.wrong()


async def story(stage: Stage, plant: str) -> list[str]:
    """Plain and hidden bids, a tie, a raise, a bid below the step, a retraction, a purchase: each rule where it bites."""
    await stage.running(plant)
    anna, ben, cleo, sam = bidder(), bidder(), bidder(), seller()
    lamp_id, vase_id = uuid4(), uuid4()
    await stage.asking.told("CreateAuction", lamp_id, lamp(increments="EBAY-US"), by=sam)
    bids: list[tuple[Person, dict[str, float]]] = [
        (anna, {"maxAmount": 20}),
        (ben, {"maxAmount": 20}),  # A tie: Anna keeps the lead.
        (anna, {"maxAmount": 25}),  # A raise: the price stays.
        (cleo, {"amount": 20.07}),  # Less than a step.
        (cleo, {"amount": 21.15}),
        (ben, {"amount": 30.29, "maxAmount": 40}),
        (sam, {"amount": 50}),
    ]
    for who, bid in bids:
        await stage.asking.told("PlaceBid", lamp_id, bid, by=who)
    last = await stage.asking.told("PlaceBid", lamp_id, {"amount": 45.55}, by=cleo)
    taken_back = {"bidId": str(last.fields["id"]), "reason": "wrong_amount"}
    await stage.asking.told("RetractBid", lamp_id, taken_back, by=cleo)
    offer = lamp(buyNowPrice=99.99, reservePrice=50, increments="EBAY-US")
    await stage.asking.told("CreateAuction", vase_id, offer, by=sam)
    await stage.asking.told("PlaceBid", vase_id, {"amount": 10.29}, by=anna)
    await stage.asking.told("BuyNow", vase_id, {}, by=ben)
    await stage.asking.told("PlaceBid", vase_id, {"amount": 150}, by=cleo)
    await stage.settled()
    return await stage.wrong()


async def the_end(stage: Stage, plant: str) -> list[str]:
    """Bids come until after the end, one of them in its very millisecond; then the clock speaks, twice."""
    await stage.running(plant)
    for _ in range(TRIES_TO_MEET_THE_END):
        if await _bids_around_the_end(stage):
            break
    else:
        raise AssertionError("no bid came in the very millisecond of an end")
    await stage.settled()
    return await stage.wrong()


async def _bids_around_the_end(stage: Stage) -> bool:
    """Auctions end in each of some successive milliseconds, so that bids on all of them meet one of the ends."""
    first = time_ms() + SECONDS_TO_THE_END * 1000
    ends = {uuid4(): first + place for place in range(ENDS)}
    offers = {auction: lamp(duration=60, startTime=print_time(end - 60_000)) for auction, end in ends.items()}
    await asyncio.gather(
        *(stage.asking.told("CreateAuction", auction, offers[auction], by=seller()) for auction in ends)
    )
    await asyncio.sleep(max(0.0, (first - time_ms() - 20) / 1000))
    ben, amount = bidder(), 11
    while time_ms() < first + ENDS:
        await stage.asking.bid_together([(auction, amount, ben) for auction in ends])
        amount += 1
    for _ in (1, 2):
        closing = ({"endTime": print_time(end)} for end in ends.values())
        told = (stage.asking.told("CloseAuction", *one, by=CLOCK) for one in zip(ends, closing, strict=True))
        await asyncio.gather(*told)
    records = await read_topic(stage.settings, stage.prefix + AUCTION_COMMANDS.name)
    return any(b'"PlaceBid"' in record.value and record.at_ms == ends.get(UUID(record.key)) for record in records)


async def told_late(stage: Stage, plant: str) -> list[str]:
    """Events that were told long ago are told again, as by a worker that wakes from a long sleep."""
    await stage.running("nothing")
    await stage.running(plant)
    auction = await _opened(stage)
    for amount in (11, 12, 13, 14):
        await stage.asking.told("PlaceBid", auction, {"amount": amount}, by=bidder())
    await stage.settled()
    events = stage.prefix + AUCTION_EVENTS.name
    async with AIOKafkaProducer(bootstrap_servers=stage.settings.kafka_bootstrap, acks="all") as producer:
        for record in (await read_topic(stage.settings, events))[1:3]:
            await producer.send_and_wait(
                events,
                record.value,
                key=record.key.encode(),
                partition=record.partition,
                headers=list(record.headers.items()),
            )
    await stage.settled(views=True)
    return await stage.wrong(views=True)


async def _opened(stage: Stage) -> UUID:
    auction = uuid4()
    opened: Answer = await stage.asking.told("CreateAuction", auction, lamp(), by=seller())
    assert opened.outcome == "accepted", opened
    return auction


async def _in_one_batch(stage: Stage, worker: Worker, auction: UUID, amounts: range, people: list[Person]) -> None:
    """Bids of people in turn that the worker finds together when it looks next, with the fault due."""
    await _paused(worker)
    await stage.asking.bid_together([(auction, amount, people[amount % len(people)]) for amount in amounts])
    _woken(stage, worker)


def _woken(stage: Stage, worker: Worker) -> None:
    """The paused worker goes on, with the fault due."""
    stage.trigger.touch()
    worker.send(signal.SIGCONT)


async def _paused(worker: Worker) -> None:
    worker.send(signal.SIGSTOP)
    await worker.stopped()
