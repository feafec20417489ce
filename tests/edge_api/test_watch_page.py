"""The page to watch an auction in a real browser, on the running stack: what people see, and what they can do."""

import re
from typing import Any

import pytest
from playwright.async_api import WebSocketRoute, expect

from producers.person import PASSWORD
from tests.conftest import NewPeople
from tests.edge_api.browsing import DESK, LOOK_CLOSELY, chromium, come, offer

__all__ = ["chromium", "come"]

pytestmark = [pytest.mark.stack, pytest.mark.browser]

READABLE = 4.5
"""Contrast of text and its ground, at least (WCAG 2.2, 1.4.3)."""


async def test_everybody_watching_sees_every_bid_at_once_and_nobody_by_name(people: NewPeople, come: Any) -> None:
    mina, anna, ben, cara = await people("mina", "anna", "ben", "cara", sellers=1)
    auction = await offer(mina, reservePrice=180)
    phone = await come()

    await phone.open(auction)
    await phone.sees("#amount", "$100.00")
    await anna.bid(auction, maxAmount=150)
    await ben.bid(auction, amount=120)
    await cara.bid(auction, amount=160, message="I have the matching chair!")
    await ben.bid(auction, amount=185.5)

    await phone.sees("#amount", "$185.50")
    await phone.sees("#leader", "4 bids")
    await phone.sees("#reserve", "Reserve met")
    await phone.sees("#history", "matching chair")
    await expect(phone.page.locator("#history .mark", has_text="automatic")).not_to_have_count(0)
    seen = await phone.page.content()
    assert not [person for person in (anna, ben, cara) if person.user_id in seen or person.username in seen]
    await phone.picture("phone")


async def test_who_comes_later_sees_the_same(people: NewPeople, come: Any) -> None:
    mina, anna, ben = await people("mina", "anna", "ben", sellers=1)
    auction = await offer(mina)
    early, late = await come(), await come(viewport=DESK)

    await early.open(auction)
    for bidder, amount in ((anna, 110), (ben, 130), (anna, 155)):
        await bidder.bid(auction, amount=amount)
    await early.sees("#amount", "$155.00")
    await late.open(auction)
    await expect(late.page.locator("#history li")).to_have_count(3)

    for where in ("#amount", "#leader", "#history"):
        shown = await early.page.locator(where).inner_text()
        assert await late.page.locator(where).inner_text() == shown


async def test_a_bidder_leads_is_outbid_and_leads_again(people: NewPeople, come: Any) -> None:
    mina, anna, ben = await people("mina", "anna", "ben", sellers=1)
    auction = await offer(mina)
    desk = await come(viewport=DESK, color_scheme="dark")

    await desk.open(auction)
    await desk.log_in(anna)
    await desk.bid("50")
    await desk.sees("#bid-said", "The minimum is $100.00.")
    await desk.bid("120,50")
    await desk.sees("#standing", "You are winning.")
    await desk.sees("#bid-said", "you lead with $120.50")
    await ben.bid(auction, amount=200)
    await desk.sees("#standing", "You were outbid.")
    await expect(desk.page.locator("#bid-said")).to_be_hidden()
    await desk.picture("desk-outbid")
    await desk.page.check("input[value=maxAmount]", force=True)
    await desk.bid("301.37")

    await desk.sees("#standing", "You are winning.")
    await desk.sees("#amount", "$202.50")
    assert "301.37" not in await desk.page.locator("#history").inner_text()
    await expect(desk.page.locator("#history .mark", has_text="you")).to_have_count(2)


async def test_what_is_no_amount_is_not_sent(people: NewPeople, come: Any) -> None:
    mina, anna = await people("mina", "anna", sellers=1)
    auction = await offer(mina)
    phone = await come()
    await phone.open(auction)
    await phone.log_in(anna)
    sent: list[str] = []
    phone.page.on("request", lambda request: sent.append(request.url))

    for text in ("", "lots", "-5", "1e3", "12.345", "0", "123456789"):
        await phone.bid(text)
        await phone.sees("#bid-said", "Please write an amount")

    assert not [url for url in sent if url.endswith("/bids")]


async def test_bidding_works_with_the_keyboard_alone(people: NewPeople, come: Any) -> None:
    mina, anna = await people("mina", "anna", sellers=1)
    auction = await offer(mina)
    desk = await come(viewport=DESK)
    await desk.open(auction)
    keyboard = desk.page.keyboard

    await desk.page.locator(".skip").focus()
    await keyboard.press("Enter")
    await keyboard.press("Tab")
    await keyboard.type(anna.email)
    await keyboard.press("Tab")
    await keyboard.type(PASSWORD)
    await keyboard.press("Enter")
    await expect(desk.page.locator("#bid-amount")).to_be_focused()
    await keyboard.type("101")
    await keyboard.press("Enter")

    await desk.sees("#standing", "You are winning.")


async def test_a_wrong_password_is_told_and_the_page_goes_on(people: NewPeople, come: Any) -> None:
    mina, anna = await people("mina", "anna", sellers=1)
    auction = await offer(mina)
    phone = await come()
    await phone.open(auction)

    await phone.page.fill("#email", anna.email)
    await phone.page.fill("#password", "not the password")
    await phone.page.click("#login-button")

    await expect(phone.page.locator("#login-said")).not_to_be_empty()
    await anna.bid(auction, amount=105)
    await phone.sees("#amount", "$105.00")


async def test_a_lost_connection_comes_back_by_itself_and_nothing_is_missed(people: NewPeople, come: Any) -> None:
    mina, anna, ben = await people("mina", "anna", "ben", sellers=1)
    auction = await offer(mina)
    phone = await come()
    sockets: list[WebSocketRoute] = []
    said: list[str] = []

    def through(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        server = socket.connect_to_server()

        def out(message: str | bytes) -> None:
            said.append(str(message))
            server.send(message)

        socket.on_message(out)

    await phone.page.route_web_socket(re.compile("/ws"), through)
    await phone.open(auction)
    await anna.bid(auction, amount=110)
    await phone.sees("#amount", "$110.00")

    await sockets[0].close(code=4010, reason="reconnectAfterMs=1500")
    await phone.sees("#connection-text", re.compile(r"Reconnecting in \d s"))
    await ben.bid(auction, amount=130)
    await anna.bid(auction, amount=150)

    await phone.sees("#connection-text", "Live again, nothing missed")
    await phone.sees("#amount", "$150.00")
    await expect(phone.page.locator("#history li")).to_have_count(3)
    assert '"lastSeq"' in said[-2] or '"lastSeq"' in said[-1]


async def test_an_event_that_went_missing_is_noticed_and_fetched(people: NewPeople, come: Any) -> None:
    mina, anna, ben = await people("mina", "anna", "ben", sellers=1)
    auction = await offer(mina)
    phone = await come()
    swallowed: list[str] = []

    def leaking(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def back(message: str | bytes) -> None:
            if "bid_placed" in str(message) and not swallowed:
                swallowed.append(str(message))
            else:
                socket.send(message)

        server.on_message(back)

    await phone.page.route_web_socket(re.compile("/ws"), leaking)
    await phone.open(auction)
    await anna.bid(auction, amount=110)
    await ben.bid(auction, amount=130)

    await phone.sees("#amount", "$130.00")
    await expect(phone.page.locator("#history li")).to_have_count(2)
    assert len(swallowed) == 1


async def test_the_countdown_goes_by_the_servers_clock(people: NewPeople, come: Any) -> None:
    [mina] = await people("mina", sellers=1)
    auction = await offer(mina, duration=600)
    phone = await come()
    await phone.page.add_init_script("const real = Date.now; Date.now = () => real() + 7_200_000")

    await phone.open(auction)

    await phone.sees("#clock", re.compile(r"^(09:|10:00)"))


async def test_a_late_bid_moves_the_end_and_everybody_is_told(people: NewPeople, come: Any) -> None:
    mina, anna = await people("mina", "anna", sellers=1)
    auction = await offer(mina, duration=60, closing={"mode": "soft", "window": 3600, "extension": 600})
    phone = await come()
    await phone.open(auction)
    await phone.sees("#clock", "00:")

    await anna.bid(auction, amount=110)

    await phone.sees("#extended", "A late bid")
    await phone.sees("#clock", re.compile(r"^(09:|10:00)"))
    await phone.picture("phone-extended")


async def test_at_the_end_there_is_a_winner_and_no_form(people: NewPeople, come: Any) -> None:
    mina, anna = await people("mina", "anna", sellers=1)
    auction = await offer(mina, buyNowPrice=500)
    winner, other = await come(viewport=DESK), await come()
    await winner.open(auction)
    await winner.log_in(anna)
    await other.open(auction)
    await other.sees("#buy-now", "$500.00")

    await anna.post(f"/auctions/{auction}/buy-now")

    await winner.sees("#ending", "You won, for $500.00.")
    await other.sees("#ending", re.compile(r"Sold to \w+ \w+ for \$500\.00\."))
    for somebody in (winner, other):
        await expect(somebody.page.locator("#bid")).to_be_hidden()
        await expect(somebody.page.locator("#login")).to_be_hidden()
        await expect(somebody.page.locator("#countdown")).to_be_hidden()
    await winner.picture("desk-won")


async def test_a_withdrawn_bid_is_struck(people: NewPeople, come: Any) -> None:
    mina, anna, ben = await people("mina", "anna", "ben", sellers=1)
    auction = await offer(mina)
    phone = await come()
    await phone.open(auction)
    await anna.bid(auction, amount=110)
    wrong = await ben.bid(auction, amount=900)
    await phone.sees("#amount", "$900.00")

    await ben.request("DELETE", f"/auctions/{auction}/bids/{wrong['id']}", {"reason": "wrong_amount"})

    await phone.sees("#history .retracted", "$900.00")
    await phone.sees("#amount", "$110.00")
    await phone.sees("#history", "withdrew a bid")


async def test_an_auction_that_is_not_there_is_said_in_words(come: Any) -> None:
    phone = await come()

    await phone.page.goto(f"{phone.address}/watch/0192f3a0-0000-7000-8000-0000000000ff")

    await phone.sees("#title", "There is no such auction")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_page_fits_a_phone_and_can_be_read(people: NewPeople, come: Any, scheme: str) -> None:
    mina, anna, ben = await people("mina", "anna", "ben", sellers=1)
    auction = await offer(mina, title="W" * 80, reservePrice=99_999_999, startingPrice=12_345_678.90)
    # Looking into the page needs `eval`, which its policy forbids.
    phone = await come(viewport={"width": 320, "height": 640}, color_scheme=scheme, bypass_csp=True)
    await phone.open(auction)
    await phone.log_in(anna)
    await anna.bid(auction, amount=20_000_000, message="x" * 60)
    await phone.sees("#standing", "You are winning.")
    await ben.bid(auction, maxAmount=40_000_000)
    await phone.sees("#standing", "You were outbid.")

    width, faint = await phone.page.evaluate(LOOK_CLOSELY)

    assert width <= 320
    assert [text for text, contrast in faint if contrast < READABLE] == []
    await phone.picture(f"narrow-{scheme}")
