"""nginx with nchan as a peer: one worker, WebSocket subscribers, messages published over HTTP."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks.beside import free_port, running

MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
MISSING = "nginx with nchan is not installed, so it was left out: apt-get install -y nginx libnginx-mod-nchan"

CONFIGURATION = """
load_module {module};
daemon off;
worker_processes 1;
worker_rlimit_nofile {files};
pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections {files}; }}
http {{
    access_log off;
    client_body_temp_path {folder};
    proxy_temp_path {folder};
    fastcgi_temp_path {folder};
    uwsgi_temp_path {folder};
    scgi_temp_path {folder};
    nchan_shared_memory_size 256M;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        keepalive_requests 1000000;
        location = /watch {{
            nchan_subscriber websocket;
            nchan_channel_id $arg_auction;
            nchan_subscriber_first_message newest;
            nchan_websocket_ping_interval 0;
        }}
        location = /tell {{
            nchan_publisher http;
            nchan_channel_id $arg_auction;
            nchan_message_buffer_length 1;
            nchan_message_timeout 1m;
        }}
    }}
}}
"""


class Nchan:
    """A running nginx."""

    def __init__(self, pid: int, port: int) -> None:
        self.pid = pid
        self.port = port
        self._line: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    def worker(self) -> int:
        """The process that holds the sockets."""
        return int(Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()[0])

    async def tell(self, auction: str, message: bytes) -> None:
        """Publish a message."""
        if self._line is None:
            self._line = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self._line
        head = f"POST /tell?auction={auction} HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(message)}\r\n\r\n"
        writer.write(head.encode() + message)
        answer = await reader.readuntil(b"\r\n\r\n")
        size = int(answer.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        await reader.readexactly(size)


def installed() -> bool:
    """Whether the peer can be run here."""
    return shutil.which("nginx") is not None and MODULE.exists()


@asynccontextmanager
async def nchan(sockets: int) -> AsyncIterator[Nchan]:
    """nginx for so many sockets."""
    nginx, port = shutil.which("nginx"), free_port()
    assert nginx is not None
    with TemporaryDirectory() as folder:
        async with running([nginx, "-p", folder, "-c", _configured(folder, sockets, port)], port=port) as process:
            yield Nchan(process.pid, port)


def _configured(folder: str, sockets: int, port: int) -> str:
    """Write the configuration; nginx's worker is another user and must reach the folder."""
    Path(folder).chmod(0o777)
    file = Path(folder) / "nginx.conf"
    file.write_text(CONFIGURATION.format(module=MODULE, files=sockets + 1_000, folder=folder, port=port))
    return str(file)
