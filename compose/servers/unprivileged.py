"""Servers that refuse to run as root are run as another user when `compose/local` is root."""

# ruff: noqa: S603 - each command is a list of our own making, and no shell reads it

import os
import pwd
import shutil
import subprocess
from functools import cache
from pathlib import Path

from compose.trouble import Trouble

USERS = ("postgres", "nobody")
# Lets the server pass through folders that only root may enter (a checkout below /root); it owns its data folder.
THROUGH_CLOSED_FOLDERS = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")


def wrap(command: list[str], folder: Path) -> list[str]:
    """`command`, run by a user that is not root and can reach `folder`; unchanged when we are not root.

    Raises Trouble when no such user can reach it.
    """
    return [*_prefix(folder), *command] if os.geteuid() == 0 else command


def own(folder: Path) -> None:
    """Gives `folder` to that user."""
    folder.chmod(0o700)
    if os.geteuid() == 0:
        os.chown(folder, _user().pw_uid, _user().pw_gid)


@cache
def _user() -> pwd.struct_passwd:
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    return next(known[name] for name in USERS if name in known)


@cache
def _prefix(folder: Path) -> tuple[str, ...]:
    user = _user()
    setpriv = shutil.which("setpriv") or "/usr/bin/setpriv"
    plain = (setpriv, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")
    for prefix in (plain, (*plain, *THROUGH_CLOSED_FOLDERS)):
        # Not `test -x`: access(2) leaves capabilities out of account.
        if not subprocess.run([*prefix, "stat", str(folder / ".")], capture_output=True, check=False).returncode:
            return prefix
    raise Trouble(
        f"The user '{user.pw_name}', who runs PostgreSQL because root may not, cannot enter {folder}.",
        fix="move the checkout to a folder that everyone may enter, such as /srv, or run as an ordinary user",
        code=2,
    )
