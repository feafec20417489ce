"""Fault switches: what they hit, how often, and on which side of the effect."""

import pytest
from starlette.responses import PlainTextResponse, Response

from compose.sandboxes.faults import Fault, Faults, meet

pytestmark = pytest.mark.quick


class Till:
    """Something that happens each time it is asked for."""

    def __init__(self) -> None:
        self.rung = 0

    async def ring(self) -> Response:
        self.rung += 1
        return PlainTextResponse("rung")


def refuse(fault: Fault) -> Response:
    return Response(status_code=fault.status or 0)


def test_a_switch_with_times_goes_off_by_itself() -> None:
    faults = Faults()
    faults.add(Fault(status=429, times=2))

    hits = [faults.draw("/v3/mail/send") is not None for _ in range(4)]

    assert hits == [True, True, False, False]


def test_a_switch_for_one_path_leaves_others_alone() -> None:
    faults = Faults()
    faults.add(Fault(path="/v3/mail", status=500))

    assert faults.draw("/v3/templates") is None
    assert faults.draw("/v3/mail/send") is not None


def test_a_switch_with_probability_hits_about_so_often() -> None:
    faults = Faults(seed=7)
    faults.add(Fault(status=500, probability=0.3))

    hits = sum(faults.draw("/") is not None for _ in range(1_000))

    assert 250 < hits < 350


def test_a_cleared_switch_hits_no_more() -> None:
    faults = Faults()
    faults.add(Fault(status=500))
    faults.clear()

    assert faults.draw("/") is None
    assert faults.listed() == []


async def test_a_refusal_before_the_effect_prevents_it() -> None:
    till = Till()

    answer = await meet(Fault(status=500, when="before"), till.ring, refuse)

    assert (answer.status_code, till.rung) == (500, 0)


async def test_a_refusal_after_the_effect_hides_it() -> None:
    till = Till()

    answer = await meet(Fault(status=500, when="after"), till.ring, refuse)

    assert (answer.status_code, till.rung) == (500, 1)


async def test_duplicates_repeat_the_effect_but_not_the_answer() -> None:
    till = Till()

    answer = await meet(Fault(duplicates=2), till.ring, refuse)

    assert (answer.status_code, till.rung) == (200, 3)
