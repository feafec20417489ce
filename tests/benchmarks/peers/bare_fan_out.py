"""The floor of a fan-out: what comes on a topic is written to every connection by `transport.write`, and nothing else.

python -m tests.benchmarks.peers.bare_fan_out BOOTSTRAP TOPIC PORT; for each line on stdin it prints the CPU seconds that
the writes alone have taken so far.
"""

import asyncio
import sys
import time
from typing import cast

import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition

UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


class Connection(asyncio.Protocol):
    """One client; whatever it says is an upgrade."""

    def __init__(self, everyone: dict[asyncio.Transport, None]) -> None:
        self._everyone = everyone

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember it."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._everyone.pop(self._transport, None)

    def data_received(self, data: bytes) -> None:
        """Upgrade it."""
        if self._transport not in self._everyone:
            self._transport.write(UPGRADED)
            self._everyone[self._transport] = None


def frame_of(payload: bytes) -> bytes:
    """A text frame, 126 to 65,535 bytes."""
    return b"\x81\x7e" + len(payload).to_bytes(2, "big") + payload


async def main(bootstrap: str, topic: str, port: int) -> None:
    """Serve until killed."""
    everyone: dict[asyncio.Transport, None] = {}
    loop = asyncio.get_running_loop()
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    place = TopicPartition(topic, 0)
    consumer.assign([place])
    consumer.seek(place, (await consumer.end_offsets([place]))[place])
    server = await loop.create_server(lambda: Connection(everyone), "127.0.0.1", port, backlog=4096)
    writing = 0.0

    def told() -> None:
        sys.stdin.readline()
        print(writing, flush=True)

    loop.add_reader(sys.stdin.fileno(), told)
    async with server:
        while True:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                began = time.process_time()
                for record in records:
                    frame = frame_of(record.value)
                    for transport in everyone:
                        transport.write(frame)
                writing += time.process_time() - began


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
