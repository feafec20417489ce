"""Installing: what is missing is found, what an interrupted run left is mended, what cannot be done is said."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from compose import apt, install, maven, npm, venv
from compose.progress import Steps
from compose.servers import cdn, kafka, postgres
from compose.trouble import Trouble

pytestmark = pytest.mark.quick

NOTHING = {"servers": False, "jars": False, "venv": False, "browser": False}


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with nothing installed."""
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(postgres, "binary", lambda name: None)
    monkeypatch.setattr(kafka, "java", lambda: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for folder in ("SBIN", "MODULES"):
        monkeypatch.setattr(cdn, folder, Path("/nonexistent"))
    monkeypatch.setattr(apt, "FONT", Path("/nonexistent"))


def test_a_bare_machine_needs_every_package(bare: None) -> None:
    minor = f"python3.{sys.version_info.minor}-venv"

    assert apt.missing(servers=True, jars=True, venv=True, browser=True, player=True) == [
        "postgresql", "redis-server", "ffmpeg", "bubblewrap", "fonts-dejavu-core", "nginx", "libnginx-mod-http-js",
        "openssl", "default-jre-headless", "maven", minor, "npm", "chromium",
    ]  # fmt: skip


def test_only_what_the_command_needs_is_asked_for(bare: None) -> None:
    assert apt.missing(**NOTHING) == []
    assert apt.missing(**NOTHING | {"jars": True}) == ["maven"]


def test_an_old_java_counts_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.touch()
    (tmp_path / "release").write_text('JAVA_VERSION="11.0.20"\n')
    monkeypatch.setattr(kafka, "java", lambda: str(java))
    monkeypatch.setattr(postgres, "binary", Path)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(cdn, "missing", list)
    monkeypatch.setattr(apt, "FONT", Path("/usr"))

    assert apt.missing(**NOTHING | {"servers": True}) == ["default-jre-headless"]


def test_who_is_not_root_is_told_the_line_to_type(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")

    with pytest.raises(Trouble, match="only root may install") as told:
        apt.install(["postgresql", "maven"], Steps(1), tmp_path)

    assert told.value.fix == "sudo apt-get install -y postgresql maven"
    assert told.value.code == 2


def test_a_machine_without_apt_is_shown_the_containers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)

    with pytest.raises(Trouble, match="no apt-get") as told:
        apt.install(["maven"], Steps(1), tmp_path)

    assert "docker compose" in told.value.fix


def test_services_are_kept_from_starting_and_the_guards_are_gone_afterwards(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    policy, cluster = tmp_path / "policy-rc.d", tmp_path / "createcluster.d" / "ours.conf"
    monkeypatch.setattr(apt, "POLICY", policy)
    monkeypatch.setattr(apt, "NO_CLUSTER", cluster)

    with apt.no_services([]):
        assert policy.read_text().endswith("exit 101\n")
        assert policy.stat().st_mode & 0o111
        assert cluster.read_text() == "create_main_cluster = false\n"

    assert list(tmp_path.iterdir()) == []


def test_a_policy_of_the_machines_own_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 0\n")
    monkeypatch.setattr(apt, "POLICY", policy)
    monkeypatch.setattr(apt, "NO_CLUSTER", tmp_path / "d" / "ours.conf")

    with apt.no_services([]):
        pass

    assert policy.read_text() == "#!/bin/sh\nexit 0\n"


@pytest.mark.parametrize(
    ("command", "rest", "servers", "browser"),
    [
        ("up", [], True, False),
        ("demo", [], True, False),
        ("test", [], True, True),
        ("test", ["quick"], False, False),
        ("down", [], False, False),
        ("logs", ["bids"], False, False),
    ],
)
def test_each_command_needs_no_more_than_it_uses(command: str, rest: list[str], servers: bool, browser: bool) -> None:
    assert install.needs(command, rest) == install.Needs(servers=servers, browser=browser)


def site_with(folder: Path, **packages: str) -> Path:
    for name, version in packages.items():
        info = folder / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        (folder / f"{name}.py").touch()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "RECORD").write_text(f"{name}.py,,\n{name}-{version}.dist-info/METADATA,,\n")
    return folder


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "requirements.lock"
    path.write_text(
        "one-package==1.0 \\\n    --hash=sha256:00\ntwo==2.0 ; python_version > '3' \\\n    --hash=sha256:11\n"
    )
    return path


def test_the_locked_packages_are_read_with_their_versions(lock: Path) -> None:
    assert venv.pins(lock) == {"one-package": "1.0", "two": "2.0"}


def test_a_whole_environment_misses_nothing(tmp_path: Path, lock: Path) -> None:
    assert venv.unfinished(site_with(tmp_path / "site", One_Package="1.0", two="2.0"), lock) == []


def test_an_interrupted_installation_is_noticed(tmp_path: Path, lock: Path) -> None:
    site = site_with(tmp_path / "site", One_Package="1.0")

    assert venv.unfinished(site, lock) == ["two"]


def test_a_package_of_another_version_is_noticed(tmp_path: Path, lock: Path) -> None:
    assert venv.unfinished(site_with(tmp_path / "site", One_Package="1.1", two="2.0"), lock) == ["one-package"]


def test_a_package_whose_files_are_gone_is_noticed(tmp_path: Path, lock: Path) -> None:
    site = site_with(tmp_path / "site", One_Package="1.0", two="2.0")
    (site / "two.py").unlink()

    assert venv.unfinished(site, lock) == ["two"]


def test_a_package_without_its_list_of_files_is_noticed(tmp_path: Path, lock: Path) -> None:
    site = site_with(tmp_path / "site", One_Package="1.0", two="2.0")
    (site / "two-2.0.dist-info" / "RECORD").unlink()

    assert venv.unfinished(site, lock) == ["two"]


def test_the_committed_lock_pins_every_package_by_hash_and_names_no_address() -> None:
    text = venv.LOCK.read_text()

    assert len(venv.pins()) > 50
    assert "://" not in text
    for block in text.split("\n\n")[-1:]:
        assert "--hash=sha256:" in block


@pytest.fixture
def library(tmp_path: Path) -> Path:
    folder = tmp_path / "kafka"
    folder.mkdir()
    (folder / "a.jar").write_bytes(b"a")
    (folder / "b.jar").write_bytes(b"b")
    return folder


def test_files_as_committed_are_right(library: Path) -> None:
    assert maven.wrong(library, {file.name: maven.digest(file) for file in library.iterdir()}) == []


def test_absent_changed_and_foreign_jars_are_all_noticed(library: Path) -> None:
    sums = {file.name: maven.digest(file) for file in library.iterdir()} | {"c.jar": "00"}
    (library / "b.jar").write_bytes(b"B")
    (library / "d.jar").write_bytes(b"d")

    assert maven.wrong(library, sums) == ["b.jar", "c.jar", "d.jar"]


def test_every_part_of_the_pom_has_its_sums() -> None:
    for part in maven.PARTS:
        assert f"<id>{part}</id>" in maven.POM.read_text()
        assert all(len(digest) == 64 for digest in maven.expected(part).values())
    assert len(maven.expected("kafka")) == 54
    assert maven.title("kafka") == "Kafka 4.3.1"


def test_a_player_that_is_not_what_was_committed_is_never_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def pack(_self: Steps, command: list[str], _log: Path, _what: str) -> None:
        (Path(command[command.index("--pack-destination") + 1]) / "hls.js-1.7.4.tgz").write_bytes(b"another package")

    monkeypatch.setattr(npm, "FOLDER", tmp_path / "web")
    monkeypatch.setattr(npm, "PLAYER", tmp_path / "web" / "hls.min.mjs")
    monkeypatch.setattr(Steps, "run", pack)

    with pytest.raises(Trouble, match="gives another package than was committed"):
        npm.ensure(Steps(1), tmp_path)

    assert not (tmp_path / "web" / "hls.min.mjs").exists()


def test_jars_that_stay_wrong_are_never_used(library: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(maven, "LIBRARY", tmp_path)
    monkeypatch.setattr(maven, "expected", lambda part: {"a.jar": "00"})
    asked = []
    monkeypatch.setattr(Steps, "run", lambda self, command, log, what: asked.append(command))

    with pytest.raises(Trouble, match=r"gives other files than were committed: a\.jar"):
        maven.ensure("kafka", Steps(1), tmp_path)

    # The second attempt goes past the user's own cache.
    assert [any(word.startswith("-Dmaven.repo.local=") for word in command) for command in asked] == [False, True]
