"""Kafka: one node in KRaft mode, small and quick, topics only by intent."""

# ruff: noqa: S603 - each command is a list of our own making, and no shell reads it

import asyncio
import base64
import logging
import os
import shlex
import shutil
import subprocess
import uuid
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from compose.servers import prepared
from compose.stack import ROOT, Stack, replace
from compose.trouble import Trouble

JAVA_MIN = 17
JAVA_VARIABLE = "MARKETPLACE_KAFKA_JAVA"
JAVA_OPTIONS = "-Xms128m -Xmx384m -XX:+UseSerialGC -XX:TieredStopAtLevel=1"

CONFIGURATION = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
num.partitions=1
default.replication.factor=1
min.insync.replicas=1
offsets.topic.num.partitions=3
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=3
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=16777216
"""


def java() -> str | None:
    """The java program: of JAVA_HOME, else of PATH."""
    home = os.environ.get("JAVA_HOME")
    if home and (Path(home) / "bin" / "java").exists():
        return str(Path(home) / "bin" / "java")
    return shutil.which("java")


def _run(stack: Stack, options: str, *arguments: str) -> list[str]:
    program = java()
    if program is None:
        raise Trouble("Java is not installed.", fix="apt-get install -y default-jre-headless", code=2)
    jars = str(stack.root / ".local" / "lib" / "kafka" / "*")
    logging_file = f"-Dlog4j2.configurationFile={ROOT / 'compose' / 'servers' / 'kafka-log4j2.properties'}"
    return [program, *shlex.split(options), logging_file, "-cp", jars, *arguments]


def prepare(stack: Stack, _env: Mapping[str, str]) -> None:
    data = stack.data / "kafka"
    text = CONFIGURATION.format(port=stack.port("kafka"), controller=stack.port("kafka-controller"), data=data)
    replace(stack.config / "kafka.properties", text)
    prepared.once(stack, "kafka", partial(_format, stack))


def _format(stack: Stack, data: Path) -> None:
    # As one word with its option: one id in 64 begins with "-" and would be read as an option itself.
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
    properties = str(stack.config / "kafka.properties")
    start = _run(stack, JAVA_OPTIONS, "kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c", properties)
    done = subprocess.run(start, capture_output=True, text=True, cwd=data, check=False)
    if done.returncode:
        raise Trouble(f"Kafka's log folder could not be formatted: {(done.stderr or done.stdout).strip()[-800:]}")


def command(stack: Stack) -> list[str]:
    options = os.environ.get(JAVA_VARIABLE, JAVA_OPTIONS)
    return _run(stack, options, "kafka.Kafka", str(stack.config / "kafka.properties"))


def ready(_stack: Stack, env: Mapping[str, str]) -> str:
    """ "" once the broker answers a metadata request with itself as controller; else what it waits for."""
    from aiokafka.admin import AIOKafkaAdminClient
    from aiokafka.errors import KafkaError

    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)

    async def ask() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=env["KAFKA_BOOTSTRAP"], request_timeout_ms=3000)
        try:
            await admin.start()
            await admin.describe_cluster()
        finally:
            await admin.close()

    try:
        asyncio.run(asyncio.wait_for(ask(), 5))
    except (KafkaError, OSError, TimeoutError) as error:
        return f"Kafka does not answer yet ({type(error).__name__})"
    return ""
