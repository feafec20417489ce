"""The disk of a process stays within its bound, and a source is fetched once."""

import asyncio
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from consumers.transcoding.scratch import NoRoom, Scratch

pytestmark = pytest.mark.quick

MB = 1 << 20


class Store:
    """Where sources come from; counts how often."""

    def __init__(self, size: int = 10 * MB) -> None:
        self.size = size
        self.fetched = 0
        self.fails = 0

    async def fetch(self, path: Path) -> None:
        self.fetched += 1
        await asyncio.sleep(0)
        if self.fails:
            self.fails -= 1
            raise ConnectionError
        await asyncio.to_thread(path.write_bytes, b"\0" * self.size)


@pytest.fixture
async def scratch(tmp_path: Path) -> Scratch:
    (tmp_path / "slot-1").mkdir()
    (tmp_path / "slot-1" / "left-by-a-kill").write_bytes(b"x")
    made = Scratch(tmp_path / "slot-1", 30 * MB)
    await made.open()
    return made


async def use(scratch: Scratch, store: Store, film: UUID) -> int:
    async with scratch.source(film, store.size, store.fetch) as path:
        return path.stat().st_size


async def test_what_an_earlier_process_left_is_gone(scratch: Scratch, tmp_path: Path) -> None:
    assert list((tmp_path / "slot-1").iterdir()) == []


async def test_ten_tasks_of_one_film_fetch_it_once(scratch: Scratch) -> None:
    store, film = Store(), uuid4()

    sizes = await asyncio.gather(*(use(scratch, store, film) for _ in range(10)))

    assert (set(sizes), store.fetched, scratch.booked) == ({10 * MB}, 1, 10 * MB)


async def test_a_failed_fetch_leaves_nothing_booked_and_the_next_one_tries_again(scratch: Scratch) -> None:
    store, film = Store(), uuid4()
    store.fails = 1

    with pytest.raises(ConnectionError):
        await use(scratch, store, film)

    assert scratch.booked == 0
    assert await use(scratch, store, film) == 10 * MB


async def test_unused_films_give_way_oldest_first_and_the_bound_holds(scratch: Scratch, tmp_path: Path) -> None:
    store = Store()
    films = [uuid4() for _ in range(5)]

    for film in films:
        await use(scratch, store, film)
        assert scratch.booked <= 30 * MB

    left = {path.name for path in (tmp_path / "slot-1").iterdir()}
    assert left == {f"source-{film}" for film in films[2:]}


async def test_a_film_in_use_does_not_give_way(scratch: Scratch) -> None:
    store = Store()
    async with scratch.source(uuid4(), store.size, store.fetch) as path, scratch.room(15 * MB):
        with pytest.raises(NoRoom):
            await use(scratch, store, uuid4())
        with pytest.raises(NoRoom):
            async with scratch.room(6 * MB):
                pass
        assert path.exists()

    assert scratch.booked == 10 * MB


async def test_a_cancelled_task_leaves_no_folder_and_no_booking(scratch: Scratch, tmp_path: Path) -> None:
    inside = asyncio.Event()

    async def work() -> None:
        async with scratch.room(MB) as folder:
            (folder / "half.m4s").write_bytes(b"x")
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await inside.wait()
    task.cancel()
    await asyncio.wait([task])

    assert (scratch.booked, list((tmp_path / "slot-1").iterdir())) == (0, [])


async def test_a_film_that_is_done_is_let_go(scratch: Scratch, tmp_path: Path) -> None:
    store, film = Store(), uuid4()
    await use(scratch, store, film)

    scratch.forget(film)

    assert (scratch.booked, list((tmp_path / "slot-1").iterdir())) == (0, [])
