"""The Debian packages that the local stack needs: which are missing, and their installation without starting services."""

# ruff: noqa: S603 - each command is a list of our own making, and no shell reads it

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from compose.progress import Steps
from compose.servers import cdn, kafka, postgres
from compose.trouble import Trouble

POLICY = Path("/usr/sbin/policy-rc.d")
POLICY_TEXT = """\
#!/bin/sh
# Made by compose/local while it installs: no service is to be started. Removed afterwards.
exit 101
"""
NO_CLUSTER = Path("/etc/postgresql-common/createcluster.d/no-cluster-from-compose-local.conf")
FONT = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf")
SERVICES = {"postgresql": "postgresql", "redis-server": "redis-server", "nginx": "nginx"}


def java_version(java: str) -> int:
    """Its major version; 0 when it cannot be found out."""
    release = Path(java).resolve().parent.parent / "release"
    text = release.read_text() if release.exists() else ""
    found = re.search(r'JAVA_VERSION="(\d+)', text)
    if not found:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
        found = re.search(r'version "(\d+)', said)
    return int(found[1]) if found else 0


def missing(*, servers: bool, jars: bool, venv: bool, browser: bool, player: bool = False) -> list[str]:
    """Packages to install: for the servers, to fetch `jars` or the `player`, to make a `venv`, for tests in a `browser`."""
    packages = []
    java = kafka.java()
    if servers:
        packages += [] if postgres.binary("postgres") else ["postgresql"]
        packages += [] if shutil.which("redis-server") else ["redis-server"]
        packages += [] if shutil.which("ffmpeg") and shutil.which("ffprobe") else ["ffmpeg"]
        packages += [] if shutil.which("bwrap") else ["bubblewrap"]
        packages += [] if FONT.exists() else ["fonts-dejavu-core"]
        packages += cdn.missing()
        packages += [] if shutil.which("openssl") else ["openssl"]
        packages += [] if java and java_version(java) >= kafka.JAVA_MIN else ["default-jre-headless"]
    if jars:
        packages += [] if shutil.which("mvn") else ["maven"]
    if venv and not (importlib.util.find_spec("ensurepip") and importlib.util.find_spec("venv")):
        packages += [f"python{sys.version_info.major}.{sys.version_info.minor}-venv"]
    if player:
        packages += [] if shutil.which("npm") else ["npm"]
    if browser:
        packages += [] if shutil.which("chromium") else ["chromium"]
    return packages


def install(packages: list[str], steps: Steps, logs: Path) -> None:
    """Installs the packages; raises Trouble with the line to type when we are not root or this is no Debian."""
    if not shutil.which("apt-get"):
        raise Trouble(
            f"Missing on this machine: {', '.join(packages)} (names of Debian packages), and it has no apt-get.",
            fix="install them by other means, or use containers: docker compose -f compose/compose.yaml up",
            code=2,
        )
    if os.geteuid():
        raise Trouble(
            "Debian packages are missing, and only root may install them.",
            fix=f"sudo apt-get install -y {' '.join(packages)}",
            code=2,
        )
    apt = ["apt-get", "-o", "Dpkg::Use-Pty=0", "-o", "DPkg::Lock::Timeout=120"]
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    with no_services(packages):
        steps.run([*apt, "update"], logs / "apt-update.log", "reading package lists", env=env)
        names = " ".join(packages)
        command = [*apt, "install", "-y", "--no-install-recommends", *packages]
        steps.run(command, logs / "apt-install.log", f"installing {names}", env=env)
    java = kafka.java()
    if "default-jre-headless" in packages and (not java or java_version(java) < kafka.JAVA_MIN):
        raise Trouble(
            f"This release's default Java is older than {kafka.JAVA_MIN}.",
            fix=f"apt-get install -y openjdk-{kafka.JAVA_MIN}-jre-headless",
            code=2,
        )


@contextmanager
def no_services(packages: list[str]) -> Iterator[None]:
    """While packages are installed no service is started, no PostgreSQL cluster made; none starts at boot after.

    Services that were installed before are left as they are.
    """
    ours = not POLICY.exists() or POLICY.read_text() == POLICY_TEXT
    if ours:
        POLICY.write_text(POLICY_TEXT)
        POLICY.chmod(0o755)
    made_folder = not NO_CLUSTER.parent.exists()
    NO_CLUSTER.parent.mkdir(parents=True, exist_ok=True)
    NO_CLUSTER.write_text("create_main_cluster = false\n")
    try:
        yield
    finally:
        if ours:
            POLICY.unlink(missing_ok=True)
        NO_CLUSTER.unlink(missing_ok=True)
        if made_folder and not any(NO_CLUSTER.parent.iterdir()):
            NO_CLUSTER.parent.rmdir()
    new = [SERVICES[package] for package in packages if package in SERVICES]
    systemctl = shutil.which("systemctl")
    if new and systemctl:
        subprocess.run([systemctl, "disable", *new], capture_output=True, check=False)
