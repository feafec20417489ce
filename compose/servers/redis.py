"""Redis: append-only file, nothing evicted, a password."""

import shutil
import socket
from collections.abc import Mapping

from compose.stack import Stack, replace
from compose.trouble import Trouble

CONFIGURATION = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir "{data}"
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
"""


def prepare(stack: Stack, env: Mapping[str, str]) -> None:
    data = stack.data / "redis"
    data.mkdir(parents=True, exist_ok=True)
    text = CONFIGURATION.format(port=stack.port("redis"), password=env["REDIS_PASSWORD"], data=data)
    replace(stack.config / "redis.conf", text, mode=0o600)


def command(stack: Stack) -> list[str]:
    binary = shutil.which("redis-server")
    if binary is None:
        raise Trouble("Redis is not installed.", fix="apt-get install -y redis-server", code=2)
    return [binary, str(stack.config / "redis.conf")]


def ready(stack: Stack, env: Mapping[str, str]) -> str:
    """ "" once it answers PING with PONG, so not before its file is loaded; else what it waits for."""
    try:
        with socket.create_connection(("127.0.0.1", stack.port("redis")), timeout=2) as line:
            line.sendall(f"AUTH {env['REDIS_PASSWORD']}\r\nPING\r\n".encode())
            answer = b""
            while answer.count(b"\r\n") < 2:
                part = line.recv(256)
                if not part:
                    break
                answer += part
    except OSError as error:
        return f"Redis does not answer yet ({type(error).__name__})"
    return "" if answer == b"+OK\r\n+PONG\r\n" else f"Redis answers {answer!r}"
