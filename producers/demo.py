"""The main job, end to end, on a running stack: people come, bid, watch, win, pay and are paid; a worker is killed in the middle."""

import argparse
import asyncio
import itertools
import json
import os
import secrets
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
import psutil
import websockets
from rich.console import Console
from rich.table import Table

from compose.settings import ConfigurationError, Settings, load
from consumers.bids.verify import verify
from producers import demo_search
from producers.demo_orders import OrderFailed, from_hammer_to_payout
from producers.person import Person, Refused

console = Console(highlight=False, soft_wrap=True)
say = console.print

AUCTION_S = 60
SOFT_WINDOW_S = 10
EXTENSION_S = 8
BIDS_UNDER_FIRE = 150
KILL_AFTER = 50
ANSWER_DEADLINE_S = 30


class DemoFailed(Exception):
    """Something did not happen that the demo promises; the text says what."""


@dataclass
class Watcher:
    """A socket that watches auctions and keeps every frame, in order."""

    name: str
    titles: dict[str, str]
    aloud: set[str]
    frames: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    ended: dict[str, asyncio.Event] = field(default_factory=dict)

    async def watch(self, person: Person, ready: asyncio.Event) -> None:
        """Subscribe to the auctions and print what comes, until cancelled."""
        ticket = await person.post("/live/ticket")
        async with websockets.connect(f"{ticket['url']}?ticket={ticket['ticket']}") as socket:
            for auction in self.titles:
                self.ended.setdefault(auction, asyncio.Event())
                await socket.send(json.dumps({"op": "subscribe", "auctionId": auction}))
            ready.set()
            async for text in socket:
                self._take(json.loads(text))

    def _take(self, frame: dict[str, Any]) -> None:
        auction = frame.get("auctionId")
        if auction not in self.titles or "seq" not in frame:
            return
        self.frames.setdefault(auction, []).append(frame)
        if auction in self.aloud:
            say(f"   [cyan]{self.name} sees[/] {describe(frame)}")
        if frame["event"] == "auction_ended":
            self.ended[auction].set()

    def gaps(self, auction: str) -> list[str]:
        """Where a frame does not follow the one before it."""
        frames = self.frames.get(auction, [])
        return [
            f"frame {after['seq']} says it follows {after['prevSeq']}, but {before['seq']} came before it"
            for before, after in itertools.pairwise(frames)
            if after["event"] != "snapshot" and after["prevSeq"] != before["seq"]
        ]


def describe(frame: dict[str, Any]) -> str:
    """One frame in words."""
    data = frame["data"]
    match frame["event"]:
        case "snapshot":
            return f"[dim]#{frame['seq']}[/] the auction as it stands: {data['status']}, {data['bidCount']} bids"
        case "bid_placed":
            how = "answered automatically" if data["automatic"] else "bid"
            leads = "and leads" if data["isWinning"] else "but does not lead"
            return f"[dim]#{frame['seq']}[/] bidder {data['bidderId'][:4]} {how} [bold]{data['amount']:.2f}[/] {leads}"
        case "auction_extended":
            return f"[dim]#{frame['seq']}[/] [yellow]a late bid moved the end to {data['endTime'][11:19]} UTC[/]"
        case "auction_ended":
            return f"[dim]#{frame['seq']}[/] [green]the hammer: {data['outcome']}, {data.get('finalPrice') or 0:.2f}[/]"
        case other:
            return f"[dim]#{frame['seq']}[/] {other}"


async def run(settings: Settings) -> None:
    """The whole demo; raises DemoFailed when a promise is broken."""
    started = time.monotonic()
    async with httpx.AsyncClient(base_url=f"{str(settings.public_url).rstrip('/')}/api/v1", timeout=40) as http:
        seller, bidders = await people_arrive(http, settings)
        lens, camera = await auctions_open(seller, settings)
        await demo_search.finds_at_once(http, lens)
        watcher = Watcher("the watcher", {lens: "lens", camera: "camera"}, aloud={lens})
        ready = asyncio.Event()
        async with asyncio.TaskGroup() as together:  # A watcher that fails ends the demo, too.
            watching = together.create_task(watcher.watch(bidders[2], ready))
            async with asyncio.timeout(ANSWER_DEADLINE_S):
                await ready.wait()
            await early_bids(lens, bidders)
            await demo_search.price_follows(http, lens)
            answers = await under_fire(camera, bidders, settings)
            await late_bids(lens, bidders)
            await hammer(watcher, lens, camera)
            watching.cancel()
        await demo_search.is_over(http, lens)
        await summary(settings, seller, watcher, lens, camera, answers)
        if differences := await from_hammer_to_payout(settings, seller, bidders[0], lens):
            raise DemoFailed("; ".join(differences))
    say(
        f"\n[green]Done in {time.monotonic() - started:.0f} s.[/] The stack goes on running: compose/local status | down"
    )


async def people_arrive(http: httpx.AsyncClient, settings: Settings) -> tuple[Person, list[Person]]:
    """Register, read the e-mail, confirm, log in."""
    say("\n[bold]1. People arrive[/]: register, read the confirmation e-mail, confirm, log in")
    tag = secrets.token_hex(3)
    people = [Person(http, f"{name}-{tag}") for name in ("mina", "anna", "ben", "chloe")]
    await asyncio.gather(*(person.register() for person in people))
    for person, token in zip(
        people, await asyncio.gather(*(person.token_from_mail(settings) for person in people)), strict=True
    ):
        await person.post("/auth/verify-email", {"token": token})
        await person.log_in()
        say(
            f"   {person.username}: registered, e-mail read at {str(settings.sendgrid_host).rstrip('/')}, confirmed, logged in"
        )
    seller, *bidders = people
    await seller.post("/users/me/seller")
    await seller.log_in()
    say(f"   {seller.username} may now sell")
    return seller, bidders


async def auctions_open(seller: Person, settings: Settings) -> tuple[str, str]:
    """Open an auction with a soft close and one with a hard close."""
    say(f"\n[bold]2. Two auctions open[/] for {AUCTION_S} seconds")
    soft = {"mode": "soft", "window": SOFT_WINDOW_S, "extension": EXTENSION_S}
    lens = await seller.post(
        "/auctions",
        {
            "title": "Voigtländer lens, 1938",
            "startingPrice": 100.00,
            "duration": AUCTION_S,
            "tags": ["lens"],
            "closing": soft,
        },
    )
    camera = await seller.post(
        "/auctions",
        {"title": "Leica M3 with case", "startingPrice": 10.00, "duration": AUCTION_S, "increments": "FLAT-1"},
    )
    for auction in (lens, camera):
        say(f"   {auction['title']}: watch it at {str(settings.public_url).rstrip('/')}/watch/{auction['id']}")
    return str(lens["id"]), str(camera["id"])


async def early_bids(lens: str, bidders: list[Person]) -> None:
    """Plain bids, a hidden maximum that answers by itself, and a bid that is too low."""
    anna, ben, chloe = bidders
    say("\n[bold]3. Bids compete[/] on the lens")
    say(f"   {anna.username} bids 100.00")
    await anna.bid(lens, amount=100.00)
    say(f"   {ben.username} sets a hidden maximum of 180.00")
    await ben.bid(lens, maxAmount=180.00)
    say(f"   {chloe.username} bids 130.00; the hidden maximum answers")
    await chloe.bid(lens, amount=130.00)
    try:
        await chloe.bid(lens, amount=131.00)
    except Refused as refusal:
        say(
            f"   {chloe.username} bids 131.00 and is refused: {refusal.code}, the minimum is {refusal.problem['minimum']:.2f}"
        )
    else:
        raise DemoFailed("a bid below the minimum was accepted")


async def under_fire(camera: str, bidders: list[Person], settings: Settings) -> list[dict[str, Any]]:
    """Many bids on the second auction; in the middle of them its worker is killed."""
    say(
        f"\n[bold]4. A worker dies[/]: {BIDS_UNDER_FIRE} bids on the camera, kill -9 of the worker `bids` after {KILL_AFTER}"
    )
    answers: list[dict[str, Any]] = []
    amounts = itertools.count(1100, 50)
    killed_at = 0.0

    async def keep_bidding(bidder: Person, count: int) -> None:
        nonlocal killed_at
        for _ in range(count):
            minor = next(amounts)
            answers.append(await bidder.try_to_bid(camera, minor / 100))
            if len(answers) >= KILL_AFTER and not killed_at:
                killed_at = time.monotonic()
                pid = kill_worker(settings)
                say(
                    f"   [red]killed process {pid}[/] after {len(answers)} answers; the supervisor starts it again, the bidders go on"
                )

    began = time.monotonic()
    async with asyncio.timeout(ANSWER_DEADLINE_S + BIDS_UNDER_FIRE):
        await asyncio.gather(*(keep_bidding(bidder, BIDS_UNDER_FIRE // len(bidders)) for bidder in bidders))
    outcomes = Counter(answer["code"] for answer in answers)
    slowest = max(answer["seconds"] for answer in answers)
    say(
        f"   {len(answers)} bids answered in {time.monotonic() - began:.1f} s: {dict(outcomes)}; the slowest waited {slowest:.2f} s"
    )
    if len(answers) != BIDS_UNDER_FIRE:
        raise DemoFailed(f"{BIDS_UNDER_FIRE - len(answers)} bids were never answered")
    return answers


def kill_worker(settings: Settings) -> int:
    """SIGKILL the stack's own `bids` process and return its pid; raises DemoFailed when there is none."""
    ours = os.environ.get("MARKETPLACE_ENV")
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if command[-2:] == ["-m", "consumers.bids"] and process.environ().get("MARKETPLACE_ENV") == ours:
            process.send_signal(signal.SIGKILL)
            return process.pid
    raise DemoFailed(f"no process of `consumers.bids` found on this machine for {settings.kafka_bootstrap}")


async def late_bids(lens: str, bidders: list[Person]) -> None:
    """Bids inside the closing window move the end."""
    anna, ben, _ = bidders
    say(f"\n[bold]5. The end comes near[/]: bids in the last {SOFT_WINDOW_S} s move it")
    await anna.wait_until_left(lens, seconds=4)
    say(f"   {anna.username} bids 170.00 four seconds before the end; the hidden maximum answers")
    await anna.bid(lens, amount=170.00)
    await anna.wait_until_left(lens, seconds=3)
    say(f"   {anna.username} bids 210.00 three seconds before the new end and takes the lead from {ben.username}")
    await anna.bid(lens, amount=210.00)


async def hammer(watcher: Watcher, *auctions: str) -> None:
    """Nobody does anything; the auctions close by themselves."""
    say("\n[bold]6. Nobody does anything[/]: the clock closes both auctions")
    async with asyncio.timeout(AUCTION_S):
        await asyncio.gather(*(watcher.ended[auction].wait() for auction in auctions))


async def summary(
    settings: Settings, seller: Person, watcher: Watcher, lens: str, camera: str, answers: list[dict[str, Any]]
) -> None:
    """Hold what was answered, seen and stored against each other, and say so."""
    say("\n[bold]7. What stands[/]")
    table = Table("auction", "status", "bids", "final price", "winner", "frames seen", "gaps")
    problems: list[str] = []
    for auction in (lens, camera):
        found = await seller.get(f"/auctions/{auction}")
        gaps = watcher.gaps(auction)
        problems += gaps
        table.add_row(
            found["title"],
            f"{found['status']}, {found['outcome']}",
            str(found["bidCount"]),
            f"{found['finalPrice']:.2f} {found['currency']}",
            found["winnerId"][:8],
            str(len(watcher.frames[auction])),
            str(len(gaps)),
        )
    say(table)
    codes = Counter(answer["code"] for answer in answers if answer["outcome"] == "accepted")
    accepted = codes.total() - codes["maximum_raised"]  # A leader's raise is no bid more (rule S3).
    final = await seller.get(f"/auctions/{camera}")
    if final["bidCount"] != accepted:
        problems.append(f"{accepted} bids were answered as accepted, but {final['bidCount']} stand")
    for auction in (lens, camera):
        await verify(settings, UUID(auction), report=problems.append)
    say(f"   answers on the camera: {dict(codes)}; bids that stand: {final['bidCount']}")
    say(f"   log folded anew and held against state and Redis view: {len(problems)} differences")
    if problems:
        raise DemoFailed("; ".join(problems))
    say("   [green]Nothing was lost and nothing was decided twice.[/]")


def main() -> int:
    """Run the demo against the stack of the environment; 0 when every promise held."""
    argparse.ArgumentParser(prog="compose/local demo", description=__doc__).parse_args()
    try:
        asyncio.run(run(load("cli")))
    except (DemoFailed, OrderFailed, Refused, demo_search.NotFound, ConfigurationError) as failure:
        say(f"\n[red]The demo failed:[/] {failure}")
        return 1
    except TimeoutError:
        say(
            "\n[red]The demo failed:[/] an answer did not come in time; see compose/local status and compose/local logs bids"
        )
        return 1
    except httpx.TransportError as error:
        say(f"\n[red]The demo failed:[/] the edge does not answer ({error!r}); is the stack up? compose/local status")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
