"""The servers of the local stack: per server one file that prepares its data folder, names its command and knows when it is ready."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from compose.servers import cdn, elasticsearch, kafka, postgres, redis, s3
from compose.stack import Stack


@dataclass(frozen=True)
class Server:
    """`prepare` makes data folder and configuration; `ready` says "" or what it waits for; `ports` what it listens on."""

    prepare: Callable[[Stack, Mapping[str, str]], None]
    command: Callable[[Stack], list[str]]
    ready: Callable[[Stack, Mapping[str, str]], str]
    ports: tuple[str, ...]
    stop_signal: str = "TERM"


SERVERS = {
    # SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for every client to leave.
    "postgres": Server(postgres.prepare, postgres.command, postgres.ready, ("postgres",), "INT"),
    "redis": Server(redis.prepare, redis.command, redis.ready, ("redis",)),
    "kafka": Server(kafka.prepare, kafka.command, kafka.ready, ("kafka", "kafka-controller")),
    "elasticsearch": Server(
        elasticsearch.prepare,
        elasticsearch.command,
        elasticsearch.ready,
        ("elasticsearch", "elasticsearch-transport"),
    ),
    "cdn": Server(cdn.prepare, cdn.command, cdn.ready, ("cdn",)),
    "s3": Server(s3.prepare, s3.command, s3.ready, ("s3",)),
}
