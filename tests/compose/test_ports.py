"""Ports: none twice, whatever is scaled; stacks beside each other; a taken one is named with its owner."""

import os
import socket
from pathlib import Path

import pytest

from compose import processes
from compose.machine import ports, refuse_taken_ports
from compose.programs import PROGRAMS, SLOTS_MAX, instances, with_needs
from compose.servers import SERVERS
from compose.stack import Stack, find, port_table
from compose.trouble import Trouble

pytestmark = pytest.mark.quick

SCALED = {program.name: SLOTS_MAX for program in PROGRAMS if program.scalable}


def test_no_port_is_given_twice_even_when_everything_runs_as_often_as_it_may() -> None:
    chosen = instances(with_needs([]), SCALED)
    listening = sum(len(SERVERS[one.program.name].ports) for one in chosen if one.program.kind == "server") + sum(
        one.program.people + one.program.internal for one in chosen if one.program.kind == "process"
    )

    assert len(ports(Stack("main", 0), chosen)) == listening


def test_stacks_a_thousand_apart_share_no_port() -> None:
    chosen = instances(with_needs([]), SCALED)

    assert ports(Stack("main", 0), chosen).keys().isdisjoint(ports(Stack("test", 1000), chosen))


def test_every_port_of_the_table_belongs_to_a_program() -> None:
    tables = port_table()
    of_servers = {name for server in SERVERS.values() for name in server.ports}

    assert set(tables["ports"]) == of_servers | {program.name for program in PROGRAMS if program.people}
    assert set(tables["internal"]) == {
        program.name for program in PROGRAMS if program.kind == "process" and program.internal
    }


def test_a_taken_port_is_named_with_the_process_that_holds_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        holder = processes.holder(taken.getsockname()[1])

    assert holder is not None
    assert holder.startswith(f"pid {os.getpid()}: ")


def test_a_free_port_has_no_holder() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    assert processes.holder(port) is None


def test_a_taken_port_stops_the_start_and_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = Stack("main", 0)
    mine = stack.port("redis")
    monkeypatch.setattr(processes, "holder", lambda port: "pid 7: redis-server" if port == mine else None)

    with pytest.raises(Trouble) as told:
        refuse_taken_ports(stack, instances(with_needs(["redis", "kafka"]), {}))

    assert f"{mine} (redis) is held by pid 7: redis-server" in told.value.what
    assert "MARKETPLACE_PORT_OFFSET=" in told.value.fix
    assert told.value.code == 2


def test_an_unknown_stack_asks_for_its_offset(tmp_path: Path) -> None:
    with pytest.raises(Trouble, match="no ports yet") as told:
        find("mine", {}, tmp_path)

    assert "MARKETPLACE_PORT_OFFSET=2000 compose/local --stack mine up" in told.value.fix


def test_a_stack_remembers_its_offset(tmp_path: Path) -> None:
    find("mine", {"MARKETPLACE_PORT_OFFSET": "4000"}, tmp_path).remember(offset=4000)

    assert find("mine", {}, tmp_path).port("edge") == port_table()["ports"]["edge"] + 4000


def test_another_offset_than_the_remembered_one_is_refused(tmp_path: Path) -> None:
    find("mine", {"MARKETPLACE_PORT_OFFSET": "4000"}, tmp_path).remember(offset=4000)

    with pytest.raises(Trouble, match="made with port offset 4000"):
        find("mine", {"MARKETPLACE_PORT_OFFSET": "5000"}, tmp_path)


@pytest.mark.parametrize("offset", ["12", "-1000", "x", "", "51000"])
def test_an_offset_that_would_overlap_or_overflow_is_refused(tmp_path: Path, offset: str) -> None:
    with pytest.raises(Trouble, match="multiple of 1000"):
        find("mine", {"MARKETPLACE_PORT_OFFSET": offset}, tmp_path)


def test_main_and_test_keep_their_ports_whatever_the_variable_says(tmp_path: Path) -> None:
    assert find("main", {"MARKETPLACE_PORT_OFFSET": "4000"}, tmp_path).offset == 0
    assert find("test", {"MARKETPLACE_PORT_OFFSET": "4000"}, tmp_path).offset == 11_000


@pytest.mark.parametrize("name", ["../x", "A", "", "1st", "a b", "x" * 32])
def test_a_name_that_is_no_folder_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Trouble, match="no name for a stack"):
        find(name, {"MARKETPLACE_PORT_OFFSET": "4000"}, tmp_path)


@pytest.mark.parametrize("folder", ["100%", "it's", "a:b", "a,b", 'quo"te', "$HOME"])
def test_a_checkout_path_that_no_configuration_could_hold_is_refused(tmp_path: Path, folder: str) -> None:
    with pytest.raises(Trouble, match="The checkout's path"):
        find("main", {}, tmp_path / folder)


def test_a_long_checkout_path_moves_the_control_socket_to_a_short_one(tmp_path: Path) -> None:
    near = Stack("main", 0, tmp_path / ("x" * 120))

    assert len(os.fsencode(near.socket)) <= 100
    assert near.socket != Stack("main", 0, tmp_path / ("y" * 120)).socket
