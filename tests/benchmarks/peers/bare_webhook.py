"""The barest taker of webhooks: uvicorn, raw ASGI, one HMAC over the body, an idempotent produce of it, 200 when it is durable.

python -m tests.benchmarks.peers.bare_webhook BOOTSTRAP PORT SECRET
"""

import hmac
import sys
from typing import Any

import uvicorn
from aiokafka import AIOKafkaProducer

TOPIC = "bench-webhooks"
ANSWER = b'{"received":true}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(ANSWER))]


class Taker:
    """The application."""

    def __init__(self, bootstrap: str, secret: bytes) -> None:
        self._bootstrap = bootstrap
        self._secret = secret
        self._number = 0

    async def start(self) -> None:
        """Connect."""
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap, acks="all", enable_idempotence=True, linger_ms=0
        )
        await self._producer.start()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One webhook."""
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        header = next(value for name, value in scope["headers"] if name == b"stripe-signature")
        at, _, v1 = header.partition(b",v1=")
        expected = hmac.digest(self._secret, at[2:] + b"." + body, "sha256").hex().encode()
        status = 200
        if hmac.compare_digest(expected, v1):
            self._number += 1
            await self._producer.send_and_wait(TOPIC, body, key=b"%d" % self._number)
        else:
            status = 400
        await send({"type": "http.response.start", "status": status, "headers": HEADERS})
        await send({"type": "http.response.body", "body": ANSWER})


async def main(bootstrap: str, port: int, secret: bytes) -> None:
    """Serve until killed."""
    app = Taker(bootstrap, secret)
    await app.start()
    config = uvicorn.Config(
        app, port=port, loop="uvloop", http="httptools", ws="none", lifespan="off", log_config=None, access_log=False,
        timeout_keep_alive=75, server_header=False,
    )  # fmt: skip
    await uvicorn.Server(config).serve()


if __name__ == "__main__":
    import uvloop

    uvloop.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3].encode()))
