"""S3 fails in every way that it can, and the gateway gets there or says cleanly that it did not."""

import hashlib
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from compose.settings import Settings
from consumers.transcoding import gateway
from consumers.transcoding.gateway import Away, Missing, Objects, TooLarge
from tests.consumers.transcoding.shaky import Fault, Way, answer, shaky_way

MB = 1 << 20
SILENCE_S = 1.0


@pytest.fixture
async def shaky(stack: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Objects, Way]]:
    """S3 by a way that fails; a silence of a second counts as none."""
    monkeypatch.setattr(gateway, "SILENCE_S_MAX", SILENCE_S)
    async with shaky_way(stack) as (settings, way):
        made = Objects(settings, silence_s_max=SILENCE_S)
        yield made, way
        made.close()


@pytest.fixture
async def film(objects: Objects, key: str) -> AsyncIterator[bytes]:
    """Three megabytes at `key` in the bucket of uploads."""
    content = os.urandom(3 * MB)
    await objects.put_bytes(objects.uploads, key, content, content_type="video/mp4")
    yield content
    await objects.delete(objects.uploads, [key])


def is_empty(folder: Path) -> bool:
    return not list(folder.iterdir())


@pytest.mark.parametrize(
    "fault",
    [
        Fault(instead=answer(500, "InternalError"), verb=b"GET"),
        Fault(instead=answer(503, "SlowDown"), verb=b"GET"),
        Fault(instead=answer(503, "SlowDown"), verb=b"HEAD"),
        Fault(instead=b"", verb=b"GET"),
        Fault(cut_after=MB, verb=b"GET"),
        Fault(cut_after=MB, stall=True, verb=b"GET"),
    ],
    ids=["500", "503", "503 on HEAD", "hung up", "truncated", "stalled"],
)
async def test_a_film_arrives_whole_through_a_fault(
    shaky: tuple[Objects, Way], key: str, film: bytes, fault: Fault, tmp_path: Path
) -> None:
    objects, way = shaky
    way.faults.append(fault)

    size = await objects.fetch(objects.uploads, key, tmp_path / "film", bytes_max=len(film))

    assert size == len(film)
    assert hashlib.sha256((tmp_path / "film").read_bytes()).digest() == hashlib.sha256(film).digest()
    assert not way.faults, "the fault never happened"


async def test_a_transfer_that_breaks_goes_on_where_it_stopped(
    shaky: tuple[Objects, Way], key: str, film: bytes, tmp_path: Path
) -> None:
    objects, way = shaky
    way.faults.extend(Fault(cut_after=MB // 2, verb=b"GET") for _ in range(5))

    await objects.fetch(objects.uploads, key, tmp_path / "film", bytes_max=len(film))

    assert (tmp_path / "film").read_bytes() == film
    assert way.count(b"GET") == 6


async def test_an_s3_that_stays_away_is_said_to_be_away_and_nothing_is_left(
    shaky: tuple[Objects, Way], key: str, film: bytes, tmp_path: Path
) -> None:
    objects, way = shaky
    way.faults.extend(Fault(instead=answer(503, "SlowDown")) for _ in range(50))
    began = time.monotonic()

    with pytest.raises(Away, match="503"):
        await objects.fetch(objects.uploads, key, tmp_path / "film", bytes_max=len(film))

    assert time.monotonic() - began < 20
    assert is_empty(tmp_path)


async def test_an_object_that_always_breaks_at_the_same_byte_is_given_up(
    shaky: tuple[Objects, Way], key: str, film: bytes, tmp_path: Path
) -> None:
    objects, way = shaky
    way.faults.extend(Fault(cut_after=1, verb=b"GET") for _ in range(50))

    with pytest.raises(Away, match="of 3145728 bytes"):
        await objects.fetch(objects.uploads, key, tmp_path / "film", bytes_max=len(film))

    assert is_empty(tmp_path)


async def test_a_film_that_is_too_large_is_not_fetched(objects: Objects, key: str, film: bytes, tmp_path: Path) -> None:
    with pytest.raises(TooLarge):
        await objects.fetch(objects.uploads, key, tmp_path / "film", bytes_max=len(film) - 1)

    assert is_empty(tmp_path)


async def test_a_missing_object_is_missing_not_away(objects: Objects, key: str, tmp_path: Path) -> None:
    assert await objects.head(objects.uploads, key) is None
    with pytest.raises(Missing):
        await objects.fetch(objects.uploads, key, tmp_path / "film", bytes_max=MB)
    with pytest.raises(Missing):
        await objects.copy(objects.uploads, key, f"{key}-copy")
    await objects.delete(objects.uploads, [key])
    await objects.abort(key, str(uuid4()))
    assert not await objects.parts_size(key, str(uuid4()))


@pytest.mark.parametrize("status", [500, 503])
async def test_a_result_is_stored_through_an_error_and_twice_is_once(
    shaky: tuple[Objects, Way], key: str, tmp_path: Path, status: int
) -> None:
    objects, way = shaky
    (tmp_path / "part.m4s").write_bytes(b"moof" * 1000)
    way.faults.append(Fault(instead=answer(status, "InternalError"), verb=b"PUT"))

    for _ in range(2):
        await objects.put(objects.media, key, tmp_path / "part.m4s", content_type="video/mp4")

    assert await objects.keys(objects.media, key) == {key: 4000}
    await objects.delete(objects.media, [key])
    assert await objects.keys(objects.media, key) == {}


async def test_the_answer_to_a_stored_object_may_be_lost(shaky: tuple[Objects, Way], key: str, tmp_path: Path) -> None:
    objects, way = shaky
    (tmp_path / "part.m4s").write_bytes(b"moof")
    way.faults.append(Fault(cut_after=1, verb=b"PUT"))

    await objects.put(objects.media, key, tmp_path / "part.m4s", content_type="video/mp4")

    assert (await objects.keys(objects.media, key))[key] == 4
    await objects.delete(objects.media, [key])


async def test_parts_are_joined_once_however_often_it_is_asked(objects: Objects, stack: Settings, key: str) -> None:
    client = gateway.client_of(stack)
    upload_id = client.create_multipart_upload(Bucket=objects.uploads, Key=key)["UploadId"]
    async with httpx.AsyncClient() as http:
        for number, size in ((1, 5 * MB), (2, 1000)):
            part = {"Bucket": objects.uploads, "Key": key, "UploadId": upload_id, "PartNumber": number}
            address = client.generate_presigned_url("upload_part", Params=part, ExpiresIn=60)
            (await http.put(address, content=b"x" * size)).raise_for_status()

    open_before = {one.upload_id for one in await objects.open_parts()}
    there = await objects.parts_size(key, upload_id)
    await objects.join(key, upload_id)
    await objects.join(key, upload_id)
    head = await objects.head(objects.uploads, key)

    assert upload_id in open_before
    assert there == 5 * MB + 1000
    assert head is not None
    assert head.size == 5 * MB + 1000
    await objects.delete(objects.uploads, [key])


async def test_buckets_are_private(stack: Settings, objects: Objects, key: str, film: bytes) -> None:
    async with httpx.AsyncClient() as http:
        for address in (f"{objects.uploads}/{key}", objects.uploads, objects.media):
            said = await http.get(f"{str(stack.s3_endpoint).rstrip('/')}/{address}")

            assert said.status_code == 403, address
