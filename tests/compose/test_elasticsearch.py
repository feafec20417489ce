"""Elasticsearch of the local stack: unpacked once, on loopback only, nothing made by accident."""

import os
import zipfile
from pathlib import Path

import pytest

from compose import maven
from compose.servers import elasticsearch
from compose.stack import Stack

pytestmark = pytest.mark.quick

CONFIG = ("roles.yml", "role_mapping.yml", "users", "users_roles")


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return Stack("mine", 3000, tmp_path)


def archive(stack: Stack, monkeypatch: pytest.MonkeyPatch, says: str) -> Path:
    """An archive like the real one, and its committed sum."""
    path = stack.root / ".local" / "lib" / "elasticsearch" / "elasticsearch-9.9.9.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("elasticsearch-9.9.9/bin/elasticsearch", says)
        for name in CONFIG:
            packed.writestr(f"elasticsearch-9.9.9/config/{name}", "")
    monkeypatch.setattr(maven, "expected", lambda part: {path.name: maven.digest(path)})
    return stack.root / ".local" / "lib" / "elasticsearch-9.9.9" / "bin" / "elasticsearch"


def test_it_is_unpacked_once_and_anew_when_the_archive_is_another(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = archive(stack, monkeypatch, "first")
    elasticsearch.prepare(stack, {})
    program.write_text("touched")
    elasticsearch.prepare(stack, {})

    assert program.read_text() == "touched"
    assert os.access(program, os.X_OK)
    archive(stack, monkeypatch, "second")
    elasticsearch.prepare(stack, {})
    assert program.read_text() == "second"


def test_what_was_half_unpacked_is_unpacked_anew(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    program = archive(stack, monkeypatch, "whole")
    program.parent.mkdir(parents=True)
    program.write_text("half")

    elasticsearch.prepare(stack, {})

    assert program.read_text() == "whole"


def test_it_listens_on_loopback_on_the_stacks_ports_and_makes_no_index_by_accident(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive(stack, monkeypatch, "program")
    elasticsearch.prepare(stack, {})

    lines = (stack.data / "elasticsearch" / "config" / "elasticsearch.yml").read_text().splitlines()
    assert {
        "network.host: 127.0.0.1",
        f"http.port: {stack.port('elasticsearch')}",
        f"transport.port: {stack.port('elasticsearch-transport')}",
        "action.auto_create_index: false",
        "action.destructive_requires_name: true",
    } <= set(lines)


def test_it_never_runs_as_root(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    program = archive(stack, monkeypatch, "program")
    elasticsearch.prepare(stack, {})

    command = elasticsearch.command(stack)

    assert command[-1] == str(program)
    assert (os.geteuid() != 0) == (command[0] == "env")
    assert any(word.startswith("ES_JAVA_OPTS=-Xms512m -Xmx512m ") for word in command)


def test_a_server_that_does_not_answer_is_not_ready(stack: Stack) -> None:
    assert elasticsearch.ready(stack, {}).startswith("Elasticsearch does not answer yet")
