"""The main job, end to end, on a running stack: a film is sent, people bid, watch, win, pay and are paid; a worker is killed."""

import argparse
import asyncio
import itertools
import os
import secrets
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psutil
from rich.table import Table

from compose.settings import ConfigurationError, Settings, load
from consumers.bids.verify import verify
from producers import demo_search, film, filming
from producers.demo_orders import OrderFailed, from_hammer_to_payout
from producers.person import Person, Refused
from producers.watcher import Watcher, say

AUCTION_S = 60
SOFT_WINDOW_S = 10
EXTENSION_S = 8
BIDS_UNDER_FIRE = 150
KILL_AFTER = 50
ANSWER_DEADLINE_S = 30
WORKER = "consumers.bids"


class DemoFailed(Exception):
    """Something did not happen that the demo promises; the text says what."""


async def run(settings: Settings, video: Path | None) -> None:
    """The whole demo; raises DemoFailed when a promise is broken."""
    started = time.monotonic()
    async with httpx.AsyncClient(base_url=f"{str(settings.public_url).rstrip('/')}/api/v1", timeout=40) as http:
        seller, bidders = await people_arrive(http, settings)
        film_id = await film_is_sent(seller, video)
        watcher = Watcher("the watcher")
        async with asyncio.TaskGroup() as together:  # A watcher that fails ends the demo, too.
            watching = together.create_task(watcher.watch(bidders[2]))
            camera = await open_auction(seller, settings, CAMERA)
            await followed(watcher, camera)
            answers = await under_fire(camera, bidders, settings)
            await film_is_ready(seller, film_id)
            say(f"\n[bold]5. The lens is offered[/] with its film, for {AUCTION_S} seconds")
            lens = await open_auction(seller, settings, LENS, film_id)
            await demo_search.finds_at_once(http, lens)
            await followed(watcher, lens, aloud=True)
            await early_bids(lens, bidders)
            await demo_search.price_follows(http, lens)
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


async def film_is_sent(seller: Person, video: Path | None) -> str:
    """Send a film to S3, past the edge; what is made of it, is made while the demo goes on."""
    say("\n[bold]2. A film is sent[/]: the phone asks where to, sends it to S3 itself and says that it is there")
    with tempfile.TemporaryDirectory() as folder:
        path = video
        if path is None:
            path = Path(folder) / "film.mp4"
            await film.make(path)
        began = time.monotonic()
        film_id = await filming.send_film(seller, path)
        say(f"   {path.name}, {path.stat().st_size / 1e6:.1f} MB, sent in {time.monotonic() - began:.1f} s")
    return film_id


async def film_is_ready(seller: Person, film_id: str) -> None:
    """Wait for the film, then open it as a player would: from its address alone."""
    say("\n[bold]4. The film is ready[/]: encoded in pieces meanwhile, and now played from its signed address")
    began = time.monotonic()
    found = await filming.until_ready(seller, "videos", film_id)
    say(
        f"   {found['duration']:.1f} s of {found['width']}x{found['height']}; waited {time.monotonic() - began:.1f} s more"
    )
    address = (await seller.get(f"/videos/{film_id}/stream"))["url"]
    table = Table("rendition", "codecs", "pieces", "size", "rate")
    for one in await film.qualities(seller.http, address):
        rate = f"{one.size_bytes * 8 / one.duration_s / 1000:.0f} kbit/s"
        table.add_row(f"{one.width}x{one.height}", one.codecs, str(one.pieces), f"{one.size_bytes / 1e3:.0f} kB", rate)
    say(table)
    seen = await film.probed(address)
    kinds = Counter(stream["codec_type"] for stream in seen["streams"])
    say(
        f"   ffprobe: {float(seen['format']['duration']):.1f} s, {kinds['video']} video and {kinds['audio']} audio streams"
    )
    say(f"   ffmpeg: played to the end, {await film.decoded(address)} frames, no complaint")


CAMERA = {"title": "Leica M3 with case", "startingPrice": 10.00, "duration": AUCTION_S, "increments": "FLAT-1"}
LENS = {
    "title": "Voigtländer lens, 1938",
    "startingPrice": 100.00,
    "duration": AUCTION_S,
    "tags": ["lens"],
    "closing": {"mode": "soft", "window": SOFT_WINDOW_S, "extension": EXTENSION_S},
}


async def open_auction(seller: Person, settings: Settings, offer: dict[str, Any], film_id: str | None = None) -> str:
    """Open an auction, with its film if there is one."""
    opened = await (seller.post("/auctions", offer) if film_id is None else filming.offer_film(seller, offer, film_id))
    say(f"   {opened['title']}: watch it at {str(settings.public_url).rstrip('/')}/watch/{opened['id']}")
    return str(opened["id"])


async def followed(watcher: Watcher, auction: str, *, aloud: bool = False) -> None:
    """Let the watcher see an auction from its beginning."""
    async with asyncio.timeout(ANSWER_DEADLINE_S):
        await watcher.follow(auction, aloud=aloud)


async def early_bids(lens: str, bidders: list[Person]) -> None:
    """Plain bids, a hidden maximum that answers by itself, and a bid that is too low."""
    anna, ben, chloe = bidders
    say("\n[bold]6. Bids compete[/] on the lens")
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
        f"\n[bold]3. A worker dies[/]: {BIDS_UNDER_FIRE} bids on the camera, kill -9 of the worker `bids` after {KILL_AFTER}"
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
    worker = worker_of(settings)
    worker.send_signal(signal.SIGKILL)
    return worker.pid


def worker_of(settings: Settings) -> psutil.Process:
    """The stack's own `bids` process; raises DemoFailed when there is none."""
    ours = os.environ.get("MARKETPLACE_ENV")
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if command[-1:] == [WORKER] and process.environ().get("MARKETPLACE_ENV") == ours:
            return process
    raise DemoFailed(f"no process of `{WORKER}` found on this machine for {settings.kafka_bootstrap}")


async def late_bids(lens: str, bidders: list[Person]) -> None:
    """Bids inside the closing window move the end."""
    anna, ben, _ = bidders
    say(f"\n[bold]7. The end comes near[/]: bids in the last {SOFT_WINDOW_S} s move it")
    await anna.wait_until_left(lens, seconds=4)
    say(f"   {anna.username} bids 170.00 four seconds before the end; the hidden maximum answers")
    await anna.bid(lens, amount=170.00)
    await anna.wait_until_left(lens, seconds=3)
    say(f"   {anna.username} bids 210.00 three seconds before the new end and takes the lead from {ben.username}")
    await anna.bid(lens, amount=210.00)


async def hammer(watcher: Watcher, *auctions: str) -> None:
    """Nobody does anything; the auctions close by themselves."""
    say("\n[bold]8. Nobody does anything[/]: the clock closes both auctions")
    async with asyncio.timeout(AUCTION_S):
        await asyncio.gather(*(watcher.ended[auction].wait() for auction in auctions))


async def summary(
    settings: Settings, seller: Person, watcher: Watcher, lens: str, camera: str, answers: list[dict[str, Any]]
) -> None:
    """Hold what was answered, seen and stored against each other, and say so."""
    say("\n[bold]9. What stands[/]")
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
    parser = argparse.ArgumentParser(prog="compose/local demo", description=__doc__)
    parser.add_argument(
        "--video", type=Path, metavar="FILE", help="a film to sell with; one is made when none is given"
    )
    video: Path | None = parser.parse_args().video
    if video is not None and not video.is_file():
        parser.error(f"there is no file {video}")
    if video is not None and not filming.TYPES.get(video.suffix.lower(), "").startswith("video/"):
        parser.error(f"{video.name} does not end as a film does (.mp4, .mov, .webm, .mkv ...)")
    try:
        asyncio.run(run(load("cli"), video))
    except (
        *(DemoFailed, OrderFailed, Refused, ConfigurationError),
        *(demo_search.NotFound, filming.NoFilm, film.CannotPlay),
    ) as failure:
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
