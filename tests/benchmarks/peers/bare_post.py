"""The first part of a bid's way: uvicorn, raw ASGI, a pydantic model of the body, an answer as long as ours.

python -m tests.benchmarks.peers.bare_post PORT BYTES
"""

import sys
from typing import Any

import uvicorn

from schemas.auctions import PlaceBid


class Post:
    """The application."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request."""
        message = await receive()
        PlaceBid.model_validate_json(message["body"])
        await send({"type": "http.response.start", "status": 201, "headers": self._headers})
        await send({"type": "http.response.body", "body": self._answer})


if __name__ == "__main__":
    uvicorn.run(
        Post(b"x" * int(sys.argv[2])), port=int(sys.argv[1]), loop="uvloop", http="httptools", ws="none",
        lifespan="off", log_config=None, access_log=False, timeout_keep_alive=75, server_header=False,
    )  # fmt: skip
