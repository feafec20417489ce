"""The programs table: needs are complete, copies have slots, unknown names are told what there is."""

from collections.abc import Iterable

import pytest

from compose.programs import BY_NAME, PROGRAMS, Instance, Program, instances, with_needs
from compose.scale import asked
from compose.settings import SECRETS_NEEDED
from compose.trouble import Trouble

pytestmark = pytest.mark.quick


def names(programs: Iterable[Program]) -> list[str]:
    return [program.name for program in programs]


def test_a_program_brings_what_it_needs_before_it() -> None:
    assert names(with_needs(["topics"])) == ["kafka", "topics"]
    assert names(with_needs(["bids"])) == ["postgres", "redis", "kafka", "topics", "bids"]


def test_no_name_means_everything() -> None:
    assert with_needs([]) == list(PROGRAMS)


def test_what_is_needed_stands_earlier_in_the_table() -> None:
    for place, program in enumerate(PROGRAMS):
        assert set(program.needs) <= set(names(PROGRAMS[:place]))


def test_every_process_knows_its_secrets() -> None:
    assert {program.name for program in PROGRAMS if program.kind != "server"} == set(SECRETS_NEEDED) - {"cli"}


def test_a_scaled_worker_runs_once_per_slot_and_its_name_says_which() -> None:
    bids = instances([BY_NAME["bids"]], {"bids": 3})

    assert [(one.name, one.slot) for one in bids] == [("bids-1", 1), ("bids-2", 2), ("bids-3", 3)]


def test_what_may_run_only_once_ignores_scale() -> None:
    assert instances([BY_NAME["edge"]], {"edge": 3}) == [Instance(BY_NAME["edge"])]


def test_an_unknown_program_is_told_the_known_ones() -> None:
    with pytest.raises(Trouble, match="no program 'bidz'") as told:
        with_needs(["bidz"])

    assert "bid-views" in told.value.fix


@pytest.mark.parametrize("rest", [[], ["bids"], ["bids", "0"], ["bids", "21"], ["bids", "two"], ["bids", "1", "2"]])
def test_scale_wants_a_worker_and_a_number(rest: list[str]) -> None:
    with pytest.raises(Trouble, match="A worker and a number from 1 to 20"):
        asked(rest)


def test_scale_refuses_what_runs_once() -> None:
    with pytest.raises(Trouble, match="kafka runs once") as told:
        asked(["kafka", "2"])

    assert "bids" in told.value.fix
