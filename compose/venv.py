"""The virtual environment: exactly the locked packages by their hashes, and the project itself on its path."""

# ruff: noqa: S603, S606 - each command is a list of our own making, and no shell reads it

import hashlib
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path

from compose.progress import Steps
from compose.stack import ROOT, replace
from compose.trouble import Trouble

LOCK = ROOT / "requirements.lock"
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "installed.sha256"

# /bin/sh first: a shebang may hold neither a space nor more than 127 bytes.
SCRIPT = """\
#!/bin/sh
'''exec' "{python}" "$0" "$@"
' '''
import sys

from compose.marketplace import main

sys.exit(main())
"""


def wanted(lock: Path = LOCK) -> str:
    """What the stamp of a finished installation reads: the lock file's digest, and where the checkout was then."""
    return f"{hashlib.sha256(lock.read_bytes()).hexdigest()} {ROOT}\n"


def finished() -> bool:
    """Whether an installation of this very lock file ended well and its interpreter is still there."""
    return PYTHON.exists() and STAMP.exists() and STAMP.read_text() == wanted()


def pins(lock: Path = LOCK) -> dict[str, str]:
    """Name (normalised) and version of every locked package."""
    lines = re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\\n]+)", lock.read_text(), re.MULTILINE)
    return {normal(name): version for name, version in lines}


def normal(name: str) -> str:
    """A package's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def site(venv: Path = VENV) -> Path | None:
    """Its site-packages folder."""
    return next(iter(sorted(venv.glob("lib/python3.*/site-packages"))), None)


def unfinished(site_packages: Path, lock: Path = LOCK) -> list[str]:
    """Locked packages that are absent, of another version, or lack files: what an interrupted installation leaves."""
    there = {normal(found.metadata["Name"] or ""): found for found in distributions(path=[str(site_packages)])}
    return sorted(
        name
        for name, version in pins(lock).items()
        if name not in there or there[name].version != version or not _whole(there[name])
    )


def _whole(package: Distribution) -> bool:
    files = package.files
    return bool(files) and all(Path(str(file.locate())).exists() for file in files or () if file.suffix != ".pyc")


def has_installer() -> bool:
    """Whether packages can be installed without Debian's python3-venv: by uv, or by pip inside the environment."""
    folder = site()
    return bool(shutil.which("uv") or (PYTHON.exists() and folder and (folder / "pip").exists()))


def ensure(steps: Steps, logs: Path) -> None:
    """Makes the environment right: new, repaired, or found right as it is."""
    if not _runs():
        if VENV.exists():
            steps.say("the old one does not run, making it anew")
            shutil.rmtree(VENV)
        _create(steps, logs)
    folder = site()
    assert folder
    broken = unfinished(folder)
    if broken:
        _install(steps, logs, folder, broken)
        still = unfinished(folder)
        if still:
            names = ", ".join(still[:8])
            raise Trouble(f"Python packages are still not right after installing: {names}.", fix="rm -r .venv")
    link(folder)
    replace(STAMP, wanted())
    steps.done(f"{len(pins())} packages" + (f", {len(broken)} of them installed now" if broken else ""))


def _runs() -> bool:
    if not PYTHON.exists():
        return False
    ask = [str(PYTHON), "-c", "import sys; print(sys.version_info >= (3, 11))"]
    return subprocess.run(ask, capture_output=True, text=True, check=False).stdout.strip() == "True"


def _create(steps: Steps, logs: Path) -> None:
    uv = shutil.which("uv")
    base = getattr(sys, "_base_executable", sys.executable)
    command = [uv, "venv", "--python", base, str(VENV)] if uv else [base, "-m", "venv", str(VENV)]
    steps.run(command, logs / "venv.log", "creating")


def _install(steps: Steps, logs: Path, folder: Path, broken: list[str]) -> None:
    what = f"installing {len(broken)} of {len(pins())} packages"
    _forget_half_installed(folder)
    uv = shutil.which("uv")
    if uv:
        sync = [uv, "pip", "sync", "--python", str(PYTHON), "--require-hashes", str(LOCK)]
        steps.run(sync, logs / "packages.log", what)
        return
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    if subprocess.run([*pip, "--version"], capture_output=True, check=False).returncode:
        steps.run([str(PYTHON), "-m", "ensurepip", "--upgrade"], logs / "venv.log", "adding pip")
    fetched: list[str] = []

    def words(line: str) -> str:
        fetched.extend(re.findall(r"^Collecting (\S+?)==", line))
        return f"{len(fetched)} fetched, last {fetched[-1]}" if fetched else line

    install = [*pip, "install", "--no-deps", "--require-hashes", "-r", str(LOCK)]
    steps.run(install, logs / "packages.log", what, words=words)


def _forget_half_installed(folder: Path) -> None:
    # Installers believe a package's metadata; without it they put the package's files there again.
    for metadata in folder.glob("*.dist-info"):
        if not _whole(Distribution.at(metadata)):
            shutil.rmtree(metadata)


def link(folder: Path) -> None:
    """Puts the checkout on the environment's path, and the console script `marketplace` beside its Python."""
    replace(folder / "video_marketplace.pth", f"{ROOT}\n")
    replace(VENV / "bin" / "marketplace", SCRIPT.format(python=PYTHON), mode=0o755)


def become(module: str, arguments: list[str]) -> None:
    """Goes on as `python -m module` in the environment; does not return."""
    os.execv(PYTHON, [str(PYTHON), "-m", module, *arguments])
