"""Bad films: each is refused with a code and a sentence, quickly, without a word to the network, and nothing is left behind."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from consumers.transcoding.probe import Limits, probe
from consumers.transcoding.unfit import REASONS, Unfit
from tests.consumers.transcoding import surgery
from tests.consumers.transcoding.films import FOLDER, film
from tests.consumers.transcoding.surgery import LISTS, OTHER_FILES, written
from tests.consumers.transcoding.whole import shown, through

SECONDS_MAX = 30.0
CUTS = {name: (make, codes) for name, make, codes in surgery.cuts()}
SEWN = {name: (make, codes) for name, make, codes in (*surgery.sewn(), *surgery.broken_boxes())}
MADE = surgery.made()


class Listener:
    """A port on this machine that nobody may knock at."""

    def __init__(self, server: asyncio.Server) -> None:
        self.port = server.sockets[0].getsockname()[1]
        self.knocks = 0


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    """It counts who connects."""

    def knocked(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.knocks += 1
        writer.close()

    server = await asyncio.start_server(knocked, "127.0.0.1", 0)
    heard = Listener(server)
    yield heard
    server.close()
    assert heard.knocks == 0


async def refused(path: Path, limits: Limits | None = None) -> Unfit:
    """Why the film is unfit; the probe must be quick and leave nothing behind."""
    began, lying = time.monotonic(), set(path.parent.iterdir())
    with pytest.raises(Unfit) as unfit:
        await probe(path, limits or Limits())
    assert time.monotonic() - began < SECONDS_MAX
    assert set(path.parent.iterdir()) == lying
    assert unfit.value.reason == REASONS[unfit.value.code]
    return unfit.value


@pytest.mark.parametrize("name", CUTS)
async def test_a_film_cut_off_anywhere_is_refused(name: str) -> None:
    make, codes = CUTS[name]

    assert (await refused(written(make()))).code in codes


@pytest.mark.parametrize("name", OTHER_FILES)
async def test_what_is_no_film_is_refused_whatever_it_is_called(name: str) -> None:
    assert (await refused(written(OTHER_FILES[name](), "mp4"))).code in ("not_a_film", "truncated")


async def test_an_empty_file_is_called_empty() -> None:
    assert (await refused(written(b""))).code == "empty"


@pytest.mark.parametrize("name", LISTS)
async def test_a_playlist_that_is_called_a_film_is_refused_and_asks_nobody(name: str, listener: Listener) -> None:
    text = LISTS[name].replace("{port}", str(listener.port))

    assert (await refused(written(text.encode(), "mp4"))).code == "playlist"


async def test_a_film_whose_data_lie_behind_an_address_asks_nobody(listener: Listener) -> None:
    source = surgery.elsewhere(listener.port)

    assert (await refused(source)).code in ("unreadable", "no_duration", "no_picture", "damaged")


@pytest.mark.parametrize("name", SEWN)
async def test_polyglots_and_lying_structures_are_refused(name: str) -> None:
    make, codes = SEWN[name]

    assert (await refused(written(make()))).code in codes


@pytest.mark.parametrize("name", MADE)
async def test_a_whole_file_with_the_wrong_thing_in_it_is_refused(name: str) -> None:
    make, codes = MADE[name]

    assert (await refused(make())).code in codes


@pytest.mark.parametrize("pattern", ["film-%d.mp4", "film-*.mp4", "film-%03d.mp4", "-i.mp4", "concat:a|b.mp4"])
async def test_a_name_is_only_a_name(pattern: str) -> None:
    path = FOLDER / pattern
    path.write_bytes(surgery.plain().read_bytes())

    found = await probe(path, Limits())

    assert found.frames == 5
    path.unlink()


async def test_a_film_with_a_few_bad_bytes_is_shown_whole(tmp_path: Path) -> None:
    made = await through(surgery.damaged(0.0005), tmp_path)

    assert int(shown(made.playlist("360p"))["nb_read_packets"]) == made.film.frames == 100


async def test_a_film_whose_second_half_is_noise_is_refused_when_that_is_found(tmp_path: Path) -> None:
    with pytest.raises(Unfit) as unfit:
        await through(surgery.damaged(1.0), tmp_path)

    assert unfit.value.code == "damaged"


async def test_limits_are_those_of_the_settings() -> None:
    assert (await refused(film(), Limits(size_bytes=100))).code == "too_many_bytes"
    assert (await refused(film(), Limits(duration_s=1.5))).code == "too_long"
    assert (await refused(film(), Limits(pixels=1000))).code == "too_large_picture"


def test_there_are_more_than_a_hundred_cases() -> None:
    assert len(CUTS) + len(OTHER_FILES) + len(LISTS) + len(SEWN) + len(MADE) + 2 > 100


def test_every_reason_is_a_sentence_for_people() -> None:
    for reason in REASONS.values():
        assert reason[0].isupper()
        assert reason.endswith(".")
