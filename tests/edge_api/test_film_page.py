"""The film on the page to watch, in a real browser: HLS through hls.js and the CDN, and the replay of a finished auction."""

import re
from typing import Any

import pytest
from playwright.async_api import Page, expect

from producers import filming
from tests.conftest import NewPeople
from tests.edge_api.browsing import DESK, chromium, come
from tests.journeys.cinema import Cinema

__all__ = ["chromium", "come"]

pytestmark = [pytest.mark.stack, pytest.mark.browser]

PAST = "(least) => document.querySelector('#film-video').currentTime > least"
LAMP = {"title": "Brass reading lamp", "startingPrice": 100, "duration": 86_400}


async def play(page: Page) -> None:
    """Press play, as the mouse would on the browser's own controls."""
    await page.locator("#film-video").evaluate("(video) => video.play()")


async def test_a_visitor_sees_the_film_play_and_what_he_saw_stands_with_his_bid(
    cinema: Cinema, people: NewPeople, come: Any
) -> None:
    [anna] = await people("anna")
    lamp = (await filming.offer_film(cinema.mina, LAMP, cinema.video_id))["id"]
    desk = await come(viewport=DESK)
    pieces: list[str] = []
    desk.page.on("request", lambda request: pieces.append(request.url) if ".m4s" in request.url else None)

    await desk.open(lamp)
    await expect(desk.page.locator("#film")).to_be_visible()
    await play(desk.page)
    await desk.page.wait_for_function(PAST, arg=0.5)
    before = await desk.page.evaluate("document.querySelector('#film-video').currentTime")
    await desk.page.wait_for_function(PAST, arg=before + 0.5)
    assert pieces, "it plays what came over the CDN"
    assert await desk.page.evaluate("document.querySelector('#film-video').videoWidth") == 640
    await desk.picture("film")

    await desk.page.locator("#film-video").evaluate("(video) => { video.loop = true; video.play(); }")
    await desk.log_in(anna)
    await desk.bid("120")
    await desk.sees("#standing", "You are winning.")
    await cinema.mina.post(f"/auctions/{lamp}/end", {"mode": "sell_to_high_bidder"})
    await desk.sees("#ending", "You won, for $120.00.")

    track = (await anna.http.get(f"/auctions/{lamp}/timeline")).text
    [(minutes, seconds)] = re.findall(r'^00:(\d\d):(\S+) --> \S+\n\{"event":"bid_placed"', track, re.MULTILINE)
    assert minutes == "00"
    await desk.page.locator("#film-video").evaluate("(video, at) => { video.currentTime = at + 0.05; }", float(seconds))
    await desk.sees("#replay", "You bid $120.00.")


async def test_a_page_without_a_right_to_the_film_shows_none(cinema: Cinema, come: Any) -> None:
    lamp = (await filming.offer_film(cinema.mina, LAMP, cinema.video_id))["id"]
    phone = await come()
    await phone.page.route(re.compile(r"/videos/[^/]+/stream"), lambda route: route.fulfill(status=403, json={}))

    await phone.open(lamp)
    await phone.sees("#amount", "$100.00")
    await cinema.mina.post(f"/auctions/{lamp}/cancel", {"reason": "It broke."})
    await phone.sees("#ending", "cancelled")

    await expect(phone.page.locator("#film")).to_be_hidden()
