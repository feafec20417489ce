"""People with the watch page open in a real browser, on the running stack."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from compose.settings import Settings
from producers.person import PASSWORD, Person

PICTURES = Path(__file__).parents[2] / ".local" / "pictures"
PHONE: Any = {"width": 390, "height": 844}
DESK: Any = {"width": 1200, "height": 900}


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield browser
        await browser.close()


class Watcher:
    """Somebody with the page open; every complaint of the browser is kept."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.complaints: list[str] = []
        page.on("console", lambda said: self._hear(said.type, said.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _hear(self, kind: str, text: str) -> None:
        # A refused bid is an answer, which a browser reports as an error all the same.
        if kind in ("error", "warning") and not re.search(r"status of 4\d\d", text):
            self.complaints.append(text)

    async def open(self, auction: str) -> None:
        await self.page.goto(f"{self.address}/watch/{auction}")
        await expect(self.page.locator("#connection")).to_have_attribute("data-state", "live")

    async def log_in(self, person: Person) -> None:
        await self.page.fill("#email", person.email)
        await self.page.fill("#password", PASSWORD)
        await self.page.click("#login-button")
        await expect(self.page.locator("#bid")).to_be_visible()
        await expect(self.page.locator("#connection")).to_have_attribute("data-state", "live")

    async def bid(self, amount: str) -> None:
        await self.page.fill("#bid-amount", amount)
        await self.page.click("#bid-button")

    async def sees(self, where: str, text: str | re.Pattern[str]) -> None:
        await expect(self.page.locator(where)).to_contain_text(text)

    async def picture(self, name: str) -> None:
        PICTURES.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=PICTURES / f"watch-{name}.png", full_page=True, animations="disabled")


@pytest.fixture
async def come(chromium: Browser, stack: Settings) -> AsyncIterator[Any]:
    """`await come(viewport=...)`: somebody new, with a browser of their own."""
    contexts: list[BrowserContext] = []
    watchers: list[Watcher] = []

    async def arrive(**options: Any) -> Watcher:
        context = await chromium.new_context(locale="en-US", timezone_id="UTC", **({"viewport": PHONE} | options))
        contexts.append(context)
        watchers.append(Watcher(await context.new_page(), str(stack.public_url).rstrip("/")))
        return watchers[-1]

    yield arrive
    for context in contexts:
        await context.close()
    assert [complaint for watcher in watchers for complaint in watcher.complaints] == []


async def offer(mina: Person, **more: Any) -> str:
    """An auction of a lamp, live from now on."""
    lamp = {
        "title": "Brass reading lamp from 1931, restored",
        "description": "Original wiring replaced, shade repainted by hand.\nFrom a school in Leipzig.",
        "startingPrice": 100,
        "duration": 3600,
        "tags": ["lamp", "brass", "art deco"],
    }
    found = await mina.post("/auctions", lamp | more)
    return str(found["id"])


LOOK_CLOSELY = """() => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number);
  const shine = ([r, g, b]) => [r, g, b].map((c) => (c /= 255) <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
  const ground = (element) => {
    for (; element; element = element.parentElement) {
      const [r, g, b, a = 1] = channels(getComputedStyle(element).backgroundColor);
      if (a > .9) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.checkVisibility() || element.closest(".out, .skip, noscript, :disabled")) continue;
    const [one, other] = [shine(channels(getComputedStyle(element).color)), shine(ground(element))];
    found.push([`${element.className} ${element.textContent.trim().slice(0, 30)}`, (Math.max(one, other) + .05) / (Math.min(one, other) + .05)]);
  }
  return [document.documentElement.scrollWidth, found];
}"""
