"""The checker is proven: it finds each planted bug, and nothing in the same scenes played without one.

Scenes wait more than they work, and each has a database and topics of its own: a few play at a time, ahead of their tests.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import pytest

from tests.faults.house import House
from tests.faults.planted.scenes import crash, failure, repetitions, story, the_end, told_late, zombie
from tests.faults.planted.stage import Stage, staged

pytestmark = pytest.mark.faults

Scene = Callable[[Stage, str], Awaitable[list[str]]]

PLANTED: dict[str, tuple[Scene, str]] = {
    "offset_before_commit": (crash, "was passed over"),
    "publish_before_commit": (crash, "is on the topic, but not in the log"),
    "reply_before_commit": (crash, "but it has no row"),
    "lost_publish": (crash, "was never told"),
    "republish_backwards": (crash, "on the topic"),
    "state_apart": (crash, "after event"),
    "ack_on_error": (failure, "was passed over"),
    "no_fence_in_statements": (zombie, "was decided twice"),
    "no_fence_in_transactions": (partial(zombie, offer=True), "was decided twice"),
    "no_dedupe": (repetitions, "was decided twice"),
    "dedupe_ignores_body": (repetitions, "was passed over"),
    "reply_to_another": (repetitions, "the log says"),
    "end_inclusive": (the_end, "the end was"),
    "ends_twice": (the_end, "after the auction had ended"),
    "tie_to_the_later": (story, "had the highest maximum first"),
    "price_from_maxima": (story, "the rules say"),
    "own_increment": (story, "the rules say refused below_minimum"),
    "float_money": (story, "an amount is not exact"),
    "view_without_guard": (told_late, "Redis says"),
}
"""Bug -> the scene that brings it to light, and words of what the checker says."""

CONTROLS: dict[str, tuple[Scene, str]] = {
    "a crash": (crash, "nothing"),
    "a crash before the commit": (partial(crash, point="decided"), "nothing"),
    "a failure": (failure, "nothing"),
    "a zombie": (zombie, "nothing"),
    "a zombie, and a log without unique indexes": (partial(zombie, offer=True), "loose_log"),
    "repetitions": (repetitions, "nothing"),
    "a story": (story, "nothing"),
    "an end": (the_end, "nothing"),
    "events told late": (told_late, "view"),
}
"""What happens -> the scene, and the worker without a bug that plays in it."""


SCENES = PLANTED | CONTROLS
AT_A_TIME = 4

Plays = dict[str, "asyncio.Task[list[str]]"]


@pytest.fixture(scope="module")
async def plays(
    house: House, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Plays]:
    """What the checker finds in each scene that is to be played in this run."""
    stages = asyncio.Semaphore(AT_A_TIME)

    async def play(name: str) -> list[str]:
        scene, words = SCENES[name]
        worker = name if name in PLANTED else words
        async with stages, staged(house, tmp_path_factory.mktemp(worker)) as stage:
            return await scene(stage, worker)

    wanted = [item.callspec.params["name"] for item in request.session.items if item.path == request.path]  # type: ignore[attr-defined]
    playing = {name: asyncio.create_task(play(name)) for name in wanted}
    yield playing
    for task in playing.values():
        task.cancel()
    await asyncio.gather(*playing.values(), return_exceptions=True)


@pytest.mark.parametrize("name", PLANTED)
async def test_the_checker_finds(name: str, plays: Plays) -> None:
    _, words = PLANTED[name]

    found = await plays[name]

    assert any(words in violation for violation in found), found


@pytest.mark.parametrize("name", CONTROLS)
async def test_the_checker_is_content_with(name: str, plays: Plays) -> None:
    assert not await plays[name]
