"""Java parts of the stack: resolved by Maven from the committed POM, each file checked against its committed SHA-256."""

import hashlib
import json
import re
import shutil
import sys
from pathlib import Path

from compose.progress import Steps
from compose.stack import ROOT, replace
from compose.trouble import Trouble

POM = ROOT / "compose" / "pom.xml"
SUMS = ROOT / "compose" / "maven.sha256"
LIBRARY = ROOT / ".local" / "lib"
# Profile of the POM, and so folder of the library; the name people know it by; the POM's property with its version.
PARTS = {
    "kafka": ("Kafka", "kafka.version"),
    "elasticsearch": ("Elasticsearch", "elasticsearch.version"),
    "s3": ("s3proxy", "s3proxy.version"),
}


def title(part: str) -> str:
    """Name and version, for people."""
    name, version_property = PARTS[part]
    found = re.search(rf"<{re.escape(version_property)}>([^<]+)<", POM.read_text())
    return f"{name} {found[1] if found else ''}".strip()


def expected(part: str, sums: Path = SUMS) -> dict[str, str]:
    """File name and SHA-256 of every file of the part."""
    rows = (line.split() for line in sums.read_text().splitlines() if line.strip())
    return {path.split("/", 1)[1]: digest for digest, path in rows if path.startswith(f"{part}/")}


def digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def wrong(folder: Path, files: dict[str, str]) -> list[str]:
    """Files that are absent, not what was committed, or not expected at all (they would be on the class path)."""
    there = {path.name: path for path in folder.iterdir()} if folder.exists() else {}
    bad = [name for name, sha in files.items() if name not in there or digest(there[name]) != sha]
    return sorted(bad + [name for name in there if name not in files])


def finished(part: str) -> bool:
    """Whether the part was checked before and nothing was touched since: sizes and times, not contents."""
    stamp = _stamp(part)
    return stamp.exists() and stamp.read_text() == _seen(part)


def _stamp(part: str) -> Path:
    return LIBRARY / f"{part}.checked"


def forget(part: str) -> None:
    """Makes the next installation check every file of the part again."""
    _stamp(part).unlink(missing_ok=True)


def _seen(part: str) -> str:
    folder = LIBRARY / part
    files = sorted(folder.iterdir()) if folder.exists() else []
    stats = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return json.dumps([sorted(expected(part).items()), stats])


def ensure(part: str, steps: Steps, logs: Path) -> None:
    """Makes the part's folder right; raises Trouble when Maven gives other files than were committed."""
    files = expected(part)
    folder = LIBRARY / part
    fetched = ""
    if wrong(folder, files):
        bad = _fetch(part, steps, logs, [])
        if bad:
            # A damaged or foreign file in the user's own Maven cache: ask the registry anew, past that cache.
            steps.say(f"{len(bad)} files are not what was committed, fetching all anew")
            cache = ROOT / ".local" / "maven"
            bad = _fetch(part, steps, logs, [f"-Dmaven.repo.local={cache}"])
            shutil.rmtree(cache, ignore_errors=True)
        if bad:
            raise Trouble(
                f"{title(part)}: the package registry gives other files than were committed: {', '.join(bad[:5])}.",
                fix=f"do not use them; compare with {SUMS.relative_to(ROOT)} and ask whoever runs the registry",
            )
        fetched = " from Maven"
    replace(_stamp(part), _seen(part))
    size = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    steps.done(f"{len(files)} files{fetched}, {size:.0f} MB")


def _fetch(part: str, steps: Steps, logs: Path, options: list[str]) -> list[str]:
    """Resolves the part beside its folder and puts it there if it is right; returns what is wrong."""
    partial = LIBRARY / f"{part}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    LIBRARY.mkdir(parents=True, exist_ok=True)
    maven = ["mvn", "-B", "-ntp", "-f", str(POM), "-P", part, *options, "dependency:copy-dependencies"]
    files = expected(part)
    what = f"fetching {len(files)} files with Maven"
    steps.run([*maven, f"-DoutputDirectory={partial}"], logs / f"{part}.log", what)
    bad = wrong(partial, files)
    if not bad:
        shutil.rmtree(LIBRARY / part, ignore_errors=True)
        partial.rename(LIBRARY / part)
    return bad


def lock() -> str:
    """The text of maven.sha256 for what is in the library now: `python -m compose.maven > compose/maven.sha256`."""
    files = sorted(file for part in PARTS for file in (LIBRARY / part).iterdir())
    return "".join(f"{digest(file)}  {file.parent.name}/{file.name}\n" for file in files)


if __name__ == "__main__":
    sys.stdout.write(lock())
