"""One stack: its name, its folder inside the checkout, its ports, and what is remembered about it between commands."""

import fcntl
import hashlib
import json
import os
import re
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from compose.trouble import Trouble

ROOT = Path(__file__).resolve().parent.parent
OFFSET_VARIABLE = "MARKETPLACE_PORT_OFFSET"
NOT_IN_A_PATH = frozenset("%\"'\\,:;$\n")
SOCKET_PATH_MAX = 100  # sun_path holds 108 bytes; supervisor adds a suffix while it binds.


@cache
def port_table() -> dict[str, dict[str, int]]:
    """The committed ports: tables `offsets`, `ports`, `internal`."""
    tables: dict[str, dict[str, int]] = tomllib.loads((ROOT / "compose" / "ports.toml").read_text())
    return tables


@dataclass(frozen=True)
class Stack:
    """A set of servers and processes with its own data, ports and secrets."""

    name: str
    offset: int
    root: Path = ROOT

    @property
    def folder(self) -> Path:
        return self.root / ".local" / "stacks" / self.name

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def config(self) -> Path:
        """Generated configuration of the servers and of supervisor; written anew by every `up`."""
        return self.folder / "config"

    @property
    def env_file(self) -> Path:
        return self.folder / "env"

    @property
    def socket(self) -> Path:
        """Supervisor's control socket; under the temporary folder when the checkout's path is too long for one."""
        inside = self.folder / "supervisor.sock"
        if len(os.fsencode(inside)) <= SOCKET_PATH_MAX:
            return inside
        key = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"marketplace-{os.getuid()}-{key}" / "supervisor.sock"

    def port(self, name: str) -> int:
        return port_table()["ports"][name] + self.offset

    def internal_port(self, name: str, slot: int = 1) -> int:
        return port_table()["internal"][name] + self.offset + slot - 1

    @property
    def command(self) -> str:
        """How a person addresses this stack."""
        return "compose/local" if self.name == "main" else f"compose/local --stack {self.name}"

    def remembered(self) -> dict[str, Any]:
        try:
            known: dict[str, Any] = json.loads((self.folder / "stack.json").read_text())
        except FileNotFoundError:
            return {}
        return known

    def remember(self, **facts: object) -> None:
        """Keeps `facts` beside what is known; replaced whole, so that a kill leaves the old or the new."""
        self.folder.mkdir(parents=True, exist_ok=True)
        replace(self.folder / "stack.json", json.dumps(self.remembered() | facts, indent=1) + "\n")


def find(name: str, environ: dict[str, str], root: Path = ROOT) -> Stack:
    """The stack called `name`; raises Trouble when the name is no name or its port offset is unknown or contradicts.

    Also when the checkout's path has a character that some server's configuration cannot express.
    """
    odd = sorted(NOT_IN_A_PATH & set(str(root)))
    if odd:
        text = (
            f"The checkout's path, {root}, has {' '.join(map(repr, odd))} in it, which Java and supervisor cannot read."
        )
        raise Trouble(text, fix="move the checkout; spaces are fine", code=2)
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", name):
        raise Trouble(f"'{name}' is no name for a stack: lower case letters, digits, '-', at most 31.", code=2)
    known = port_table()["offsets"].get(name)
    if known is None:
        known = Stack(name, 0, root).remembered().get("offset")
    given = environ.get(OFFSET_VARIABLE)
    if given is None and known is None:
        raise Trouble(
            f"The stack '{name}' has no ports yet.",
            fix=f"{OFFSET_VARIABLE}=2000 compose/local --stack {name} up   (a multiple of 1000 that no other uses)",
            code=2,
        )
    if given is not None and known is None:
        known = checked_offset(given)
    if given is not None and name not in port_table()["offsets"] and checked_offset(given) != known:
        raise Trouble(
            f"The stack '{name}' was made with port offset {known}, but {OFFSET_VARIABLE} is {given}.",
            fix=f"leave {OFFSET_VARIABLE} away, or `compose/local --stack {name} reset` first",
            code=2,
        )
    assert known is not None
    return Stack(name, known, root)


def checked_offset(text: str) -> int:
    if not text.isdecimal() or int(text) % 1000 or not 0 <= int(text) <= 50_000:
        raise Trouble(f"{OFFSET_VARIABLE} is '{text}': a multiple of 1000 from 0 to 50000 is needed.", code=2)
    return int(text)


def replace(path: Path, text: str, mode: int = 0o644) -> None:
    """Writes `text` to `path` so that a reader, or a kill, sees the old or the new and never half."""
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


@contextmanager
def alone(path: Path, what: str, *, wait: bool = False) -> Iterator[None]:
    """Holds a lock file for the block; when another command holds it, waits for it or raises Trouble."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not wait:
                text = f"Another `compose/local` is busy with {what}."
                raise Trouble(text, fix="wait until it ends", code=2) from None
            print(f"Waiting for another `compose/local`, which is busy with {what} ...", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
