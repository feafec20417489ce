"""Elasticsearch: one node on loopback from the smallest distribution there is, never as root, indices only by intent."""

import shutil
import urllib.error
import urllib.request
import zipfile
from collections.abc import Mapping
from pathlib import Path

from compose import maven
from compose.servers import kafka, unprivileged
from compose.stack import ROOT, Stack, alone, replace
from compose.trouble import Trouble

PART = "elasticsearch"
JAVA_OPTIONS = "-Xms512m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1"
LOGGING = ROOT / "compose" / "servers" / "elasticsearch-log4j2.properties"

CONFIGURATION = """\
cluster.name: {cluster}
node.name: {cluster}
discovery.type: single-node
network.host: 127.0.0.1
http.port: {port}
transport.port: {transport}
path.data: {data}
path.logs: {logs}
xpack.security.enabled: false
action.auto_create_index: false
action.destructive_requires_name: true
# A full disk is `doctor`'s to tell; with it on, a developer's well-filled disk makes every index read-only.
cluster.routing.allocation.disk.threshold_enabled: false
"""

JVM = """\
-Djava.io.tmpdir={temporary}
-XX:+ExitOnOutOfMemoryError
20-:--add-modules=jdk.incubator.vector
-Dorg.apache.lucene.store.MMapDirectory.sharedArenaMaxPermits=1
"""


def prepare(stack: Stack, _env: Mapping[str, str]) -> None:
    home = _unpacked(stack.root)
    folder = stack.data / PART
    for name in ("config", "data", "logs", "tmp"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        unprivileged.own(folder / name)
    unprivileged.own(folder)
    text = CONFIGURATION.format(
        cluster=f"marketplace-{stack.name}",
        port=stack.port("elasticsearch"),
        transport=stack.port("elasticsearch-transport"),
        data=_quoted(folder / "data"),
        logs=_quoted(folder / "logs"),
    )
    config = folder / "config"
    replace(config / "elasticsearch.yml", text)
    replace(config / "jvm.options", JVM.format(temporary=folder / "tmp"))
    replace(config / "log4j2.properties", LOGGING.read_text())
    for name in ("roles.yml", "role_mapping.yml", "users", "users_roles"):
        replace(config / name, (home / "config" / name).read_text())


def _quoted(path: Path) -> str:
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _unpacked(root: Path) -> Path:
    """The server's folder, unpacked once for all stacks of the checkout; anew when the archive is another one."""
    library = root / ".local" / "lib"
    [(name, digest)] = maven.expected(PART).items()
    archive = library / PART / name
    home = library / archive.stem
    mark = home / "unpacked-from"
    with alone(library / f"{PART}.lock", "unpacking Elasticsearch", wait=True):
        if not mark.exists() or mark.read_text() != digest:
            shutil.rmtree(home, ignore_errors=True)
            partial = library / f"{PART}.unpacking"
            shutil.rmtree(partial, ignore_errors=True)
            _unpack(archive, partial)
            (partial / archive.stem).rename(home)
            shutil.rmtree(partial)
            mark.write_text(digest)
    return home


def _unpack(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as packed:
        for member in packed.infolist():
            path = Path(packed.extract(member, folder))
            if path.parent.name == "bin" or path.name == "controller":
                path.chmod(0o755)


def command(stack: Stack) -> list[str]:
    java = kafka.java()
    if java is None:
        raise Trouble("Java is not installed.", fix="apt-get install -y default-jre-headless", code=2)
    folder = stack.data / PART
    environment = {
        "ES_JAVA_HOME": str(Path(java).resolve().parent.parent),
        "ES_PATH_CONF": str(folder / "config"),
        "ES_TMPDIR": str(folder / "tmp"),
        "ES_JAVA_OPTS": JAVA_OPTIONS,
    }
    variables = [f"{name}={value}" for name, value in environment.items()]
    start = ["env", *variables, str(_unpacked(stack.root) / "bin" / "elasticsearch")]
    return unprivileged.wrap(start, folder)


def ready(stack: Stack, _env: Mapping[str, str]) -> str:
    """ "" once the cluster has a master and may hold indices; else what it waits for."""
    address = f"http://127.0.0.1:{stack.port('elasticsearch')}/_cluster/health?timeout=1s&wait_for_status=yellow"
    try:
        with urllib.request.urlopen(address, timeout=3) as answer:
            answer.read()
    except urllib.error.HTTPError as error:
        return f"Elasticsearch answers {error.code}"
    except OSError as error:
        return f"Elasticsearch does not answer yet ({type(error).__name__})"
    return ""
