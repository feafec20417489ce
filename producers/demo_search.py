"""The demo's look into the search: a misspelt word finds the new auction at once, its price follows, at last it is over."""

import asyncio
import time
from typing import Any

import httpx
from rich.console import Console

say = Console(highlight=False, soft_wrap=True).print

MISSPELT = "voigtlender lense"
SOON_S = 1.0
AT_LAST_S = 20
LOOK_EVERY_S = 0.02


class NotFound(Exception):
    """The search did not show what it must; the text says what."""


async def finds_at_once(http: httpx.AsyncClient, lens: str) -> None:
    """Look for the auction that was just opened, by words that are not quite right; raises NotFound."""
    seconds = await _until_found(http, lens, "a misspelt word does not find the new auction", q=MISSPELT)
    late = "" if seconds < SOON_S else f" [yellow](more than {SOON_S:.0f} s: the machine is busy)[/]"
    say(f"   a search for [bold]{MISSPELT}[/] finds the lens {seconds:.2f} s after it was opened{late}")


async def price_follows(http: httpx.AsyncClient, lens: str) -> None:
    """See the price of the last bid in the index; raises NotFound."""
    price = f"{(await http.get(f'/auctions/{lens}')).json()['currentBid']:.2f}"
    seconds = await _until_found(
        http, lens, "the search does not know the price", q=MISSPELT, minPrice=price, maxPrice=price
    )
    say(
        f"   a search between {price} and {price} finds it {seconds:.2f} s later: the price in the index follows the bids"
    )


async def is_over(http: httpx.AsyncClient, lens: str) -> None:
    """See it among what ended; raises NotFound."""
    await _until_found(http, lens, "the search does not know that the auction ended", q=MISSPELT, status="ended")
    say("   the search finds the lens among what ended, below all that can still be bid on")


async def _until_found(http: httpx.AsyncClient, auction: str, otherwise: str, **asked: Any) -> float:
    """Ask until the auction is among the answers; how long that took, seconds."""
    began = time.monotonic()
    while time.monotonic() - began < AT_LAST_S:
        answer = await http.get("/auctions", params={**asked, "facets": "false", "limit": 100})
        if answer.is_success and auction in [item["id"] for item in answer.json()["items"]]:
            return time.monotonic() - began
        await asyncio.sleep(LOOK_EVERY_S)
    raise NotFound(otherwise)
