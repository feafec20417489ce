"""Viewers' own renditions: how many there may be, made once however often asked for, and gone when nobody watches."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from compose.settings import Settings
from consumers.transcoding import marks
from consumers.transcoding.gateway import Missing, Objects
from consumers.transcoding.marker import Marker, TooMany, _number
from consumers.transcoding.marks import Limits
from consumers.transcoding.watermark import watermark
from tests.journeys.cinema import Cinema

pytestmark = pytest.mark.stack

LIMITS = Limits(per_viewer=3, in_all=1_000, kept_s=60)


@pytest.fixture
async def db(stack: Settings) -> AsyncIterator[asyncpg.Pool]:
    """The worker's own tables; what these tests leave there expires at once."""
    async with asyncpg.create_pool(
        stack.database_url("marker"), min_size=1, max_size=8, server_settings={"search_path": "transcoding"}
    ) as pool:
        yield pool
        await pool.execute("UPDATE marked SET expires_at = now()")


async def test_a_viewer_has_no_more_renditions_than_the_limit_however_they_are_asked_for(db: asyncpg.Pool) -> None:
    viewer, films = uuid4(), [uuid4() for _ in range(12)]

    admitted = await asyncio.gather(*(marks.admit(db, film, viewer, LIMITS) for film in films))

    assert sum(admitted) == LIMITS.per_viewer
    [first] = [film for film, yes in zip(films, admitted, strict=True) if yes][:1]
    assert await marks.admit(db, first, viewer, LIMITS), "going on with one is no other one"
    assert await marks.admit(db, films[0], uuid4(), LIMITS), "another viewer has a count of his own"


async def test_all_together_have_no_more_than_the_limit(db: asyncpg.Pool) -> None:
    there = await db.fetchval("SELECT count(*) FROM marked_view")
    limits = LIMITS._replace(in_all=there + 2)

    admitted = await asyncio.gather(*(marks.admit(db, uuid4(), uuid4(), limits) for _ in range(8)))

    assert sum(admitted) == 2


async def test_what_has_expired_counts_no_more(db: asyncpg.Pool) -> None:
    viewer = uuid4()
    assert await marks.admit(db, uuid4(), viewer, LIMITS._replace(per_viewer=1, kept_s=0))

    assert await marks.admit(db, uuid4(), viewer, LIMITS._replace(per_viewer=1))


@pytest.fixture
async def marker(stack: Settings, db: asyncpg.Pool, tmp_path: Path) -> AsyncIterator[Marker]:
    """A marker beside the stack's, with the same bucket and tables."""
    objects = Objects(stack)
    broken: list[BaseException] = []
    found = Marker(objects, db, tmp_path / "scratch", LIMITS, at_once=2, fatal=broken.append)
    await found.start()
    yield found
    await found.stop()
    objects.close()
    assert broken == []


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each segment that is really encoded, by its text and start."""
    made: list[str] = []

    async def counted(init: Path, part: Path, folder: Path, **about: object) -> object:
        made.append(f"{about['text']} {about['start_s']}")
        return await watermark(init, part, folder, **about)  # type: ignore[arg-type]

    monkeypatch.setattr("consumers.transcoding.marker.watermark", counted)
    return made


async def test_a_segment_is_made_once_however_many_ask_and_the_next_one_before_anybody_asks(
    cinema: Cinema, marker: Marker, marked: list[str]
) -> None:
    film, viewer = UUID(cinema.video_id), uuid4()

    asked = await asyncio.gather(*(marker.piece(film, viewer, "360p", "0.m4s") for _ in range(5)))
    init = await marker.piece(film, viewer, "360p", "init.mp4")
    second = await marker.piece(film, viewer, "360p", "1.m4s")
    again = await marker.piece(film, viewer, "360p", "0.m4s")

    assert len(set(asked)) == 1
    assert again == asked[0] != second
    assert init[4:8] == b"ftyp"
    assert sorted(marked) == [f"{viewer.hex[:8]} 0.0", f"{viewer.hex[:8]} 4.0"]


async def test_a_rendition_that_nobody_watches_any_more_is_removed_with_all_its_objects(
    cinema: Cinema, marker: Marker, db: asyncpg.Pool, stack: Settings
) -> None:
    film, viewer = UUID(cinema.video_id), uuid4()
    await marker.piece(film, viewer, "360p", "1.m4s")
    objects = Objects(stack)
    prefix = f"marked/{film}/{viewer}/"
    assert set(await objects.keys(stack.s3_bucket_media, prefix)) == {
        f"{prefix}360p/init.mp4", f"{prefix}360p/1.m4s",
    }  # fmt: skip

    await marker.sweep()
    assert await objects.keys(stack.s3_bucket_media, prefix), "it has not expired yet"
    await db.execute("UPDATE marked SET expires_at = now() WHERE viewer = $1", viewer)
    await marker.sweep()

    assert await objects.keys(stack.s3_bucket_media, prefix) == {}
    assert await db.fetchval("SELECT count(*) FROM marked WHERE viewer = $1", viewer) == 0
    objects.close()


@pytest.mark.parametrize(
    ("rung", "name"),
    [("360p", "9.m4s"), ("4320p", "0.m4s"), ("sound", "0.m4s"), ("360p", "-1.m4s"), ("360p", "0.mp4"), ("360p", "..")],
)
async def test_a_piece_that_the_film_has_not_is_missing(cinema: Cinema, marker: Marker, rung: str, name: str) -> None:
    with pytest.raises(Missing):
        await marker.piece(UUID(cinema.video_id), uuid4(), rung, name)


async def test_a_film_that_is_none_is_missing_and_takes_no_place(marker: Marker, db: asyncpg.Pool) -> None:
    viewer = uuid4()

    with pytest.raises(Missing):
        await marker.piece(uuid4(), viewer, "360p", "0.m4s")

    assert await db.fetchval("SELECT count(*) FROM marked WHERE viewer = $1", viewer) == 0


async def test_one_too_many_is_refused_at_its_first_segment(cinema: Cinema, marker: Marker, db: asyncpg.Pool) -> None:
    viewer = uuid4()
    for _ in range(LIMITS.per_viewer):
        assert await marks.admit(db, uuid4(), viewer, LIMITS)

    with pytest.raises(TooMany):
        await marker.piece(UUID(cinema.video_id), viewer, "360p", "0.m4s")


async def test_it_stops_although_what_was_under_way_ends_with_an_error_of_its_own(
    cinema: Cinema, marker: Marker, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()

    async def fetched_for_ever(*_: object) -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            raise OSError("a thread still writes to the folder")

    asked = asyncio.create_task(marker.piece(UUID(cinema.video_id), uuid4(), "360p", "0.m4s"))
    monkeypatch.setattr("consumers.transcoding.marker.watermark", lambda *_, **__: fetched_for_ever())
    await begun.wait()

    await asyncio.wait_for(marker.stop(), 5)

    with pytest.raises(OSError, match="still writes"):
        await asked


@pytest.mark.quick
@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("init.mp4", 0),
        ("0.m4s", 0),
        ("17.m4s", 17),
        ("x.m4s", None),
        ("1.m4s.mp4", None),
        ("999999.m4s", None),
        ("٣.m4s", None),
    ],
)
def test_the_name_of_a_piece_says_which_segment_makes_it(name: str, number: int | None) -> None:
    assert _number(name) == number
