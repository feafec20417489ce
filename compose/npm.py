"""The player of the page, from npm: packed by npm itself, checked against its committed SHA-512, one file of it kept."""

import base64
import hashlib
import shutil
import tarfile
from pathlib import Path

from compose.progress import Steps
from compose.stack import ROOT, replace
from compose.trouble import Trouble

NAME, VERSION = "hls.js", "1.7.4"
# As `npm view hls.js@1.7.4 dist.integrity` says it: one digest for the whole package.
INTEGRITY = "3GlxGdPvT2YHvQYOt+yOzT/DEior/qJVNIylHA77kgeoBTdQQqi70GwefNEUmHQeNGyjC8U62+bruqW/Tpm+tg=="
MEMBER = "package/dist/hls.min.mjs"
FOLDER = ROOT / ".local" / "lib" / "web"
PLAYER = FOLDER / "hls.min.mjs"


def title() -> str:
    """Name and version, for people."""
    return f"{NAME} {VERSION}"


def finished() -> bool:
    """Whether the player of this very version is there."""
    stamp = FOLDER / "checked"
    return PLAYER.exists() and stamp.exists() and stamp.read_text() == _mark(PLAYER)


def _mark(file: Path) -> str:
    return f"{INTEGRITY} {hashlib.sha256(file.read_bytes()).hexdigest()}\n"


def ensure(steps: Steps, logs: Path) -> None:
    """Makes the player be there; raises Trouble when npm gives another package than was committed."""
    fetched = ""
    if not finished():
        _fetch(steps, logs)
        fetched = " from npm"
    steps.done(f"{PLAYER.stat().st_size / 1e3:.0f} kB{fetched}")


def _fetch(steps: Steps, logs: Path) -> None:
    partial = FOLDER.with_name("web.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    pack = ["npm", "pack", "--ignore-scripts", "--pack-destination", str(partial), f"{NAME}@{VERSION}"]
    steps.run(pack, logs / "npm.log", f"fetching {title()} with npm")
    [package] = partial.glob("*.tgz")
    if base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode() != INTEGRITY:
        raise Trouble(
            f"{title()}: the package registry gives another package than was committed.",
            fix="do not use it; ask whoever runs the registry",
        )
    with tarfile.open(package) as opened:
        member = opened.extractfile(MEMBER)
        assert member is not None, f"{MEMBER} is a file"
        text = member.read().decode()
    FOLDER.mkdir(parents=True, exist_ok=True)
    replace(PLAYER, text)
    replace(FOLDER / "checked", _mark(PLAYER))
    shutil.rmtree(partial)
