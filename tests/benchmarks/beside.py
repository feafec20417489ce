"""Starts and ends the bare programs beside which ours are measured."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from tests.benchmarks.stack import ROOT, Bench, until

STARTED_WITHIN_S = 20.0
ENDED_WITHIN_S = 5.0


async def make_topics(bench: Bench, *names: str) -> None:
    """Topics of the peers, with as many partitions as ours; standing ones stay."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bench.settings.kafka_bootstrap)
    await admin.start()
    try:
        made = await admin.create_topics([NewTopic(name, bench.settings.partitions, 1) for name in names])
        for name, code, *_ in made.topic_errors:
            error = for_code(code)
            if code and error is not TopicAlreadyExistsError:
                raise error(name)
    finally:
        await admin.close()


@asynccontextmanager
async def peer(module: str, *arguments: object, port: int | None = None) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `python -m tests.benchmarks.peers.MODULE`, wait until its port takes connections, end it afterwards."""
    command = [sys.executable, "-m", f"tests.benchmarks.peers.{module}", *map(str, arguments)]
    async with running(command, port=port) as process:
        yield process


@asynccontextmanager
async def running(command: Sequence[str], *, port: int | None = None) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a program for the block."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        if port is not None:
            await until(lambda: _listens(process, port), within_s=STARTED_WITHIN_S)
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), ENDED_WITHIN_S)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _listens(process: asyncio.subprocess.Process, port: int) -> bool:
    if process.returncode is not None:
        raise RuntimeError(f"the peer ended with {process.returncode}")
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def free_port() -> int:
    """A port that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
