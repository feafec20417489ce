"""The CDN stand-in: nginx checks CloudFront's signatures (njs) in front of the private bucket, the edge's playlists and the marker."""

import base64
import http.client
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from compose.servers import unprivileged
from compose.stack import ROOT, Stack, replace
from compose.trouble import Trouble

SOURCES = ROOT / "compose" / "sandboxes" / "cdn"
SBIN = Path("/usr/sbin")
MODULES = Path("/usr/lib/nginx/modules")
KEPT_S = 30
"""How long an object is served without asking the bucket again: a film that was withdrawn plays no longer than that."""

CACHE_MAX = "256m"


def missing() -> list[str]:
    """Debian packages that the stand-in lacks."""
    has_module = (MODULES / "ngx_http_js_module.so").exists()
    return [] if binary() and has_module else ["nginx", "libnginx-mod-http-js"]


def binary() -> str | None:
    """The nginx program; Debian keeps it where only root's PATH leads."""
    return shutil.which("nginx") or (str(SBIN / "nginx") if (SBIN / "nginx").exists() else None)


class Places(NamedTuple):
    """Where it listens, and where its origins beside the bucket are: `host:port` each."""

    listen: str
    edge: str
    marker: str


def prepare(stack: Stack, env: Mapping[str, str]) -> None:
    data = stack.data / "cdn"
    data.mkdir(parents=True, exist_ok=True)
    unprivileged.own(data)
    ports = stack.port("cdn"), stack.port("edge"), stack.internal_port("marker")
    write(env, data, Places(*(f"127.0.0.1:{port}" for port in ports)))


def write(env: Mapping[str, str], data: Path, places: Places) -> None:
    """Puts the stand-in's files into its folder: nginx's configuration, its scripts, and what they know."""
    from compose.settings import parse_signing_keys

    at = {
        "DATA": str(data),
        "MODULES": str(MODULES),
        "LISTEN": places.listen,
        "S3": urlsplit(env["S3_ENDPOINT"]).netloc,
        "EDGE": places.edge,
        "MARKER": places.marker,
        "BUCKET": env.get("S3_BUCKET_MEDIA", "marketplace-media"),
        "ORIGIN_SECRET": env["CDN_ORIGIN_SECRET"],
        "KEPT": str(KEPT_S),
        "CACHE_MAX": CACHE_MAX,
    }
    known = {
        "base": env["CDN_URL"].rstrip("/"),
        "keys": {key_id: public(key) for key_id, key in parse_signing_keys(env["CDN_SIGNING_KEYS"]).items()},
        "s3": {
            "host": at["S3"],
            "region": env.get("S3_REGION", "us-east-1"),
            "bucket": at["BUCKET"],
            "access": env["S3_ACCESS_KEY"],
            "secret": env["S3_SECRET_KEY"],
        },
    }
    for name in ("nginx.conf", "bucket.conf", "headers.conf", "signed.js", "origin.js"):
        text = (SOURCES / name).read_text()
        for variable, value in at.items():
            text = text.replace(f"@{variable}@", value)
        replace(data / name, text)
    replace(data / "config.js", f"export default {json.dumps(known)};\n")


def public(key: bytes) -> str:
    """The public half as base64 of its SubjectPublicKeyInfo: all that the CDN is told of a key."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_private_key

    half = load_der_private_key(key, password=None).public_key()
    return base64.b64encode(half.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def command(stack: Stack) -> list[str]:
    data = stack.data / "cdn"
    return unprivileged.wrap(_nginx(data), data)


def _nginx(data: Path) -> list[str]:
    program = binary()
    if program is None:
        raise Trouble("nginx is not installed.", fix="apt-get install -y nginx libnginx-mod-http-js", code=2)
    return [program, "-e", "stderr", "-p", str(data), "-c", str(data / "nginx.conf")]


def ready(stack: Stack, _env: Mapping[str, str]) -> str:
    """ "" once it answers; else what it waits for."""
    line = http.client.HTTPConnection("127.0.0.1", stack.port("cdn"), timeout=2)
    try:
        line.request("GET", "/health")
        status = line.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"the CDN does not answer yet ({type(error).__name__})"
    finally:
        line.close()
    return "" if status == 200 else f"the CDN answers {status}"


if __name__ == "__main__":
    # For compose.yaml, where each process has a host of its own: `CDN_DATA` is the folder, `CDN_EDGE` and `CDN_MARKER` the hosts.
    folder = Path(os.environ["CDN_DATA"])
    write(os.environ, folder, Places("0.0.0.0:7084", os.environ["CDN_EDGE"], os.environ["CDN_MARKER"]))
    start = _nginx(folder)
    os.execv(start[0], start)  # noqa: S606 - our own list, no shell
