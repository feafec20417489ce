"""The pages that links in e-mails open: they read the token from their address and post it; no build step, no third party."""

import base64
import hashlib
import re
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

FOLDER = Path(__file__).parent / "pages"
_INLINE = re.compile(rb"<(script|style)>(.*?)</\1>", re.DOTALL)


class Page:
    """One static page; its own script and style are the only ones that a browser runs."""

    def __init__(self, name: str) -> None:
        """Read the page and name the hashes of what it holds inline."""
        self._body = (FOLDER / name).read_bytes()
        allowed = {"script": "", "style": ""}
        for kind, text in _INLINE.findall(self._body):
            digest = base64.b64encode(hashlib.sha256(text).digest()).decode()
            allowed[kind.decode()] += f" 'sha256-{digest}'"
        self._headers = {
            "Content-Security-Policy": (
                f"default-src 'none'; script-src{allowed['script']}; style-src{allowed['style']}; connect-src 'self'; "
                "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
            )
        }

    async def __call__(self, _: Request) -> Response:
        """The page, whatever the token in its address: the server never reads it here."""
        return Response(self._body, headers=self._headers, media_type="text/html")


routes = [
    Route("/verify", Page("verify.html").__call__, methods=["GET"], name="verify"),
    Route("/reset", Page("reset.html").__call__, methods=["GET"], name="reset"),
]
