"""The bare HTTP side of the echo: uvicorn on uvloop and httptools, raw ASGI; a POST goes to a topic and waits for its echo.

python -m tests.benchmarks.peers.echo_edge BOOTSTRAP PORT
"""

import asyncio
import sys
from typing import Any

import uvicorn
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

ASKED = "bench-asked"
ECHOED = "bench-echoed"


class Echo:
    """The application."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._waiting: dict[bytes, asyncio.Future[bytes]] = {}
        self._number = 0

    async def start(self) -> None:
        """Connect both ways; what is echoed from now on is read."""
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap, acks="all", enable_idempotence=True, linger_ms=0
        )
        await self._producer.start()
        self._consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap, enable_auto_commit=False)
        await self._consumer.start()
        place = TopicPartition(ECHOED, 0)
        self._consumer.assign([place])
        await self._consumer.seek_to_end(place)
        await self._consumer.position(place)
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while True:
            for records in (await self._consumer.getmany(timeout_ms=1000)).values():
                for record in records:
                    waiting = self._waiting.pop(record.key, None)
                    if waiting is not None:
                        waiting.set_result(record.value)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request."""
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self._number += 1
        key = b"%d" % self._number
        waiting = self._waiting[key] = asyncio.get_running_loop().create_future()
        await self._producer.send(ASKED, body, key=key)
        value = await waiting
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(value))]
        await send({"type": "http.response.start", "status": 201, "headers": headers})
        await send({"type": "http.response.body", "body": value})


async def main(bootstrap: str, port: int) -> None:
    """Serve until killed."""
    app = Echo(bootstrap)
    await app.start()
    config = uvicorn.Config(
        app, port=port, loop="uvloop", http="httptools", ws="none", lifespan="off", log_config=None, access_log=False,
        timeout_keep_alive=75, server_header=False,
    )  # fmt: skip
    await uvicorn.Server(config).serve()


if __name__ == "__main__":
    import uvloop

    uvloop.run(main(sys.argv[1], int(sys.argv[2])))
