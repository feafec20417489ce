"""The page to watch an auction: `/watch/{auctionId}`. Static files without a build step, under a policy that runs nothing else."""

import hashlib
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from compose.npm import PLAYER
from edge_api.edge import edge_of

FOLDER = Path(__file__).parent / "pages"
REVALIDATE = "no-cache"
"""A copy may be kept, but is shown only after the ETag was asked about."""


class File(NamedTuple):
    """One static file, as it is sent."""

    body: bytes
    media_type: str
    etag: str


def _file(name: str | Path, media_type: str) -> File:
    body = (FOLDER / name).read_bytes()
    return File(body, media_type, f'"{hashlib.sha256(body).hexdigest()[:16]}"')


PAGE = _file("watch.html", "text/html")
ASSETS = {
    "watch.css": _file("watch.css", "text/css"),
    "watch.svg": _file("watch.svg", "image/svg+xml"),
    **{
        name: _file(name, "text/javascript")
        for name in (
            "watch.js",
            "watch-api.js",
            "watch-bidding.js",
            "watch-bids.js",
            "watch-clock.js",
            "watch-film.js",
            "watch-live.js",
            "watch-words.js",
        )
    },
}


if PLAYER.exists():
    # Without it a browser that plays HLS by itself still shows films, the others none.
    ASSETS["hls.js"] = _file(PLAYER, "text/javascript")


async def page(request: Request) -> Response:
    """The page; which auction it is, its script reads from the address."""
    live, cdn = (_origin(str(url)) for url in (edge_of(request).settings.live_url, edge_of(request).settings.cdn_url))
    policy = (
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' {cdn}; "
        f"media-src 'self' blob: {cdn}; connect-src 'self' {live} {cdn}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return _sent(request, PAGE, {"Content-Security-Policy": policy})


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


async def asset(request: Request) -> Response:
    """One of the page's files; 404 for any other name."""
    found = ASSETS.get(request.path_params["name"])
    return Response("Not found", 404) if found is None else _sent(request, found, {})


def _sent(request: Request, file: File, headers: dict[str, str]) -> Response:
    headers |= {"ETag": file.etag, "Cache-Control": REVALIDATE, "X-Content-Type-Options": "nosniff"}
    if file.etag in request.headers.get("If-None-Match", ""):
        return Response(status_code=304, headers=headers)
    return Response(file.body, headers=headers, media_type=file.media_type)


routes = [
    Route("/watch/{auction_id:uuid}", page, methods=["GET"], name="watch"),
    Route("/watch/assets/{name}", asset, methods=["GET"], name="watch-asset"),
]
