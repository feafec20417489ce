"""Everything is killed, stopped or made to fail while people bid and watch; afterwards nothing is lost and nothing happened twice.

Each round breaks several things under load, waits until the system is well again by itself, and then asks the checker.
"""

import asyncio
import secrets
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import asyncpg
import httpx
import psutil
import pytest

from consumers.indexing.verify import verify as verify_index
from consumers.runtime.faultpoints import POINTS
from producers.person import Person, Refused
from tests.faults.gather import ACCOUNTS, BIDS, all_taken, gather
from tests.faults.history import History, kept_wrongly, violations
from tests.faults.house import ACTIONS, House, until
from tests.faults.load import Load, Watcher
from tests.faults.shown import folded

pytestmark = pytest.mark.faults

KILLED = ("bids", "bid-views", "edge", "accounts", "clock", "live", "notifications", "indexing")
WATCHERS = 3
SETTLED_WITHIN_S = 40.0
BETWEEN_FAULTS_S = 1.0
SESSION_S = 6.0
"""After so long without a sign of life a worker has lost its partitions."""
FIRED_WITHIN_S = 15.0
HEARD_WITHIN_S = 15.0
INDEXED_WITHIN_S = 60.0
"""A killed writer's documents are written by another when its lease is over."""

OPEN_OF = """
    SELECT count(*) FROM bids.auction WHERE id = ANY($1::uuid[]) AND status = 'open'
"""


@pytest.fixture(scope="module")
def whole(house: House) -> House:
    """The house with all that bidding, watching and finding need."""
    house.command("up", *KILLED, "sendgrid")
    return house


WRITES_THE_INDEX = {"error": ["elasticsearch"], "stop": ["indexing-1"], "kill": []}
"""What sleeps beside a worker of bids."""

Say = Callable[[str], None]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Say what was done, whether or not the test succeeds."""

    def aloud(text: str) -> None:
        with capsys.disabled():
            print(f"\n{text}")

    return aloud


class Round:
    """One round: a crowd, what is done to the house meanwhile, and what is wrong afterwards."""

    def __init__(self, house: House, http: httpx.AsyncClient, say: Say) -> None:
        self.house = house
        self._say = say
        self.faults = 0
        self._http = http
        self._load = Load(house.settings, http, seed=7)
        self._watchers: list[Watcher] = []

    async def begin(self) -> None:
        """Open auctions, let people bid and watch."""
        await self._load.open_auctions()
        for number in range(WATCHERS):
            self._watchers.append(Watcher(self._http, f"watcher {number}", self._load.auctions))
            self._watchers[-1].begin()
        self._load.begin()

    async def kill(self, name: str) -> None:
        """Kill a process, wait until another has taken its place and all is well, and let people bid for a moment."""
        pid = self.house.send(name, signal.SIGKILL)
        self.faults += 1

        async def is_another() -> bool:
            state = (await asyncio.to_thread(self.house.supervisor.states))[name]
            return bool(state["pid"]) and state["pid"] != pid

        await until(is_another, within_s=FIRED_WITHIN_S, what=f"{name} is started again")
        await self.house.healthy()
        await asyncio.sleep(BETWEEN_FAULTS_S)

    async def scale(self, count: int) -> None:
        """Run so many bids workers."""
        self.faults += 1
        scaling = asyncio.create_task(asyncio.to_thread(self.house.command, "scale", "bids", str(count)))
        while not scaling.done():
            await asyncio.wait([scaling], timeout=BETWEEN_FAULTS_S)
            self.wake()
        scaling.result()

    def strike(self, name: str) -> None:
        """Kill a process that is long in coming back, and go on meanwhile."""
        self.house.send(name, signal.SIGKILL)
        self.faults += 1

    async def sleep(self, *names: str) -> None:
        """Stop workers until their partitions are another's, and servers as long, then wake them."""
        self.faults += len(names)
        for name in names:
            self.house.send(name, signal.SIGSTOP)
        await asyncio.sleep(SESSION_S + 2 * BETWEEN_FAULTS_S)
        for name in names:
            self.house.send(name, signal.SIGCONT)
        await asyncio.sleep(BETWEEN_FAULTS_S)

    async def people_arrive(self) -> None:
        """People register, one after the other, whatever becomes of them."""
        while True:
            with suppress(Refused, httpx.TransportError, KeyError, ValueError):
                await Person(self._http, f"arrives-{secrets.token_hex(6)}").register()
            await asyncio.sleep(BETWEEN_FAULTS_S / 4)

    async def fire(self, point: str, action: str) -> None:
        """Have a fault happen at its point and wait for it; a worker that stops is woken a moment later."""
        trigger = self.house.trigger(point, action)
        await asyncio.to_thread(trigger.touch)
        self.faults += 1

        async def has_fired() -> bool:
            return not await asyncio.to_thread(trigger.exists)

        await until(has_fired, within_s=FIRED_WITHIN_S, what=f"{trigger.name} happens")
        await asyncio.sleep(BETWEEN_FAULTS_S)
        self.wake()

    def wake(self) -> None:
        """Continue whatever of the house was stopped."""
        for name, state in self.house.supervisor.states().items():
            # Who has ended since they were asked need not be woken.
            with suppress(psutil.NoSuchProcess):
                if (
                    state["pid"]
                    and (process := self.house.process(name, state["pid"])).status() == psutil.STATUS_STOPPED
                ):
                    process.send_signal(signal.SIGCONT)

    async def end(self) -> list[str]:
        """Wait until all is well and done, and say what is wrong."""
        await self._load.end()
        began = time.monotonic()
        await self.house.healthy()
        healthy_s = time.monotonic() - began
        history = await self._settled()
        for watcher in self._watchers:
            await self._has_heard_all(watcher, history)
            history.watched += watcher.watched.values()
        wrong = violations(history) + kept_wrongly(await gather(self.house.settings, ACCOUNTS, views=False))
        wrong += await self._index_differs()
        repeats = len(history.events) - sum(len(row.events) for row in history.rows)
        self._say(
            f"{len(history.commands)} commands so far, {len(history.rows)} decisions, {len(history.events)} events "
            f"({repeats} told again); this round {self.faults} faults, {len(self._load.answers)} answers to "
            f"{dict(self._load.counts)}, statuses {dict(self._load.statuses)}, "
            f"{sum(one.connections for one in self._watchers)} connections of watchers; "
            f"well again {healthy_s:.1f} s after the last bid; {len(wrong)} violations"
        )
        assert not self._load.statuses[500], "the edge had no answer of its own"
        return wrong

    async def close(self) -> None:
        """Let nobody bid or watch any more."""
        await self._load.close()
        for watcher in self._watchers:
            await watcher.end()

    async def _settled(self) -> History:
        settings = self.house.settings
        await until(self._short_ones_are_over, within_s=SETTLED_WITHIN_S, what="the short auctions are closed")
        for owner, views in ((BIDS, True), (ACCOUNTS, False)):
            await until(
                lambda owner=owner, views=views: all_taken(settings, owner, views=views),  # type: ignore[misc]
                within_s=SETTLED_WITHIN_S,
                what=f"{owner.schema} has decided, told and shown all",
            )
        return await gather(settings, answers=self._load.answers)

    async def _short_ones_are_over(self) -> bool:
        db = await asyncpg.connect(self.house.settings.database_url("cli"))
        try:
            still_open: int = await db.fetchval(OPEN_OF, self._load.short)
        finally:
            await db.close()
        return still_open == 0

    async def _index_differs(self) -> list[str]:
        """What the search index says otherwise than bids and accounts, when it has had its time."""
        found: list[str] = []

        async def level() -> bool:
            found.clear()
            return await verify_index(self.house.settings, report=found.append) == 0

        with suppress(AssertionError):
            await until(level, within_s=INDEXED_WITHIN_S, what="the index is level")
        return found

    async def _has_heard_all(self, watcher: Watcher, history: History) -> None:
        last = {auction: folded(history.log[auction])["publicSeq"] for auction in self._load.auctions}

        async def has_heard() -> bool:
            return all(watcher.last(auction) >= sequence for auction, sequence in last.items())

        with suppress(AssertionError):  # The checker says what is missing.
            await until(has_heard, within_s=HEARD_WITHIN_S, what="the watchers have heard all")


@asynccontextmanager
async def crowd(house: House, say: Say) -> AsyncIterator[Round]:
    """People bid and watch; to be ended by `Round.end`."""
    base = f"{str(house.settings.public_url).rstrip('/')}/api/v1"
    async with httpx.AsyncClient(base_url=base, timeout=20, limits=httpx.Limits(max_connections=100)) as http:
        under_way = Round(house, http, say)
        try:
            await under_way.begin()
            yield under_way
        finally:
            await under_way.close()


async def test_any_process_may_be_killed(whole: House, say: Say) -> None:
    async with crowd(whole, say) as round_:
        arriving = asyncio.create_task(round_.people_arrive())
        for name in KILLED:
            await round_.kill(name if name in ("edge", "live") else f"{name}-1")
        arriving.cancel()

        assert not await round_.end()


async def test_any_server_may_be_killed(whole: House, say: Say) -> None:
    async with crowd(whole, say) as round_:
        for name in ("redis", "postgres", "kafka"):
            await round_.kill(name)

        assert not await round_.end()


async def test_a_worker_may_die_stop_or_fail_at_any_point(whole: House, say: Say) -> None:
    async with crowd(whole, say) as round_:
        round_.strike("elasticsearch")
        for point in POINTS:
            if point != "in-revoke":
                for action in ACTIONS:
                    await round_.fire(point, action)

        assert not await round_.end()


async def test_workers_may_join_leave_and_sleep(whole: House, say: Say) -> None:
    async with crowd(whole, say) as round_:
        for action in ACTIONS:
            revoking = asyncio.create_task(round_.fire("in-revoke", action))
            await round_.scale(2)
            await revoking
            await round_.sleep("bids-1" if action != "stop" else "bids-2", *WRITES_THE_INDEX[action])
            await round_.scale(1)

        assert not await round_.end()
