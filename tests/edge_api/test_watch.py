"""The page to watch an auction, as it is served: nothing runs in it but its own files."""

import re
from collections.abc import AsyncIterator
from types import SimpleNamespace

import httpx
import pytest
from starlette.applications import Starlette

from edge_api import watch

pytestmark = pytest.mark.quick

LAMP = "/watch/0192f3a0-0000-7000-8000-000000000001"
PAGE = watch.PAGE.body.decode()


@pytest.fixture
async def browser() -> AsyncIterator[httpx.AsyncClient]:
    app = Starlette(routes=watch.routes)
    app.state.edge = SimpleNamespace(
        settings=SimpleNamespace(live_url="wss://live.example:444/", cdn_url="https://cdn.example/")
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://shop.example") as client:
        yield client


async def test_the_policy_lets_the_page_load_its_own_files_play_films_and_speak_to_the_live_process_only(
    browser: httpx.AsyncClient,
) -> None:
    answer = await browser.get(LAMP)

    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' https://cdn.example",
        "media-src": "'self' blob: https://cdn.example",
        "connect-src": "'self' wss://live.example:444 https://cdn.example",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }


def test_nothing_in_the_page_is_inline() -> None:
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", PAGE)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", PAGE))


async def test_every_file_that_the_page_names_is_served(browser: httpx.AsyncClient) -> None:
    texts = [PAGE, *(file.body.decode() for file in watch.ASSETS.values())]
    named = {name for text in texts for name in re.findall(r"/watch/assets/[a-z.-]+", text)}

    assert {(await browser.get(name)).status_code for name in named} == {200}
    assert named == {f"/watch/assets/{name}" for name in watch.ASSETS}


@pytest.mark.parametrize("path", [LAMP, "/watch/assets/watch.js"])
async def test_a_copy_at_hand_is_not_sent_again(browser: httpx.AsyncClient, path: str) -> None:
    first = await browser.get(path)
    again = await browser.get(path, headers={"If-None-Match": first.headers["etag"]})

    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path", ["/watch/lamp", "/watch/assets/other.js", "/watch/assets/..%2f..%2fwatch.py", "/watch/assets/"]
)
async def test_nothing_else_is_served(browser: httpx.AsyncClient, path: str) -> None:
    assert (await browser.get(path)).status_code == 404
