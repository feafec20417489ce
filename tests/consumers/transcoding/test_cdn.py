"""Invalidations as the worker asks for them: once for one job, and again when it is not sure that it was heard."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from compose.sandboxes.cloudfront.app import build
from compose.sandboxes.cloudfront.cache import Cache
from compose.sandboxes.cloudfront.invalidations import Invalidations
from compose.sandboxes.faults import Faults
from compose.settings import ConfigurationError, Settings
from consumers.transcoding.cdn import Cdn
from consumers.transcoding.gateway import Away
from tests.compose.sandboxes.serving import serve_here

pytestmark = pytest.mark.quick

FILM = ["/videos/1/*", "/play/1/*"]


def settings(url: str, **more: Any) -> Settings:
    known = {"cdn_api_url": url, "cdn_distribution_id": "E1", "cdn_api_access_key": "AK", "cdn_api_secret_key": "SK"}
    return Settings(**{**known, **more})


@pytest.fixture
def cloudfront(tmp_path: Path) -> Iterator[str]:
    app = build(
        invalidations=Invalidations(tmp_path / "invalidations.sqlite"),
        cache=Cache(tmp_path),
        faults=Faults(),
        distribution="E1",
        access_key="AK",
        secret_key="SK",
    )
    with serve_here(app) as url:
        yield url


def trouble(url: str, **switch: object) -> None:
    httpx.post(f"{url}/sandbox/faults", json=switch).raise_for_status()


def heard(url: str) -> list[tuple[str, list[str]]]:
    return [(one["reference"], one["paths"]) for one in httpx.get(f"{url}/sandbox/invalidations").json()["items"]]


async def test_the_same_job_asks_once_however_often_it_runs(cloudfront: str) -> None:
    cdn = Cdn(settings(cloudfront))

    for _ in range(2):
        await cdn.invalidate(FILM, reference="job-1")
    await cdn.invalidate(FILM, reference="job-2")

    assert heard(cloudfront) == [("job-2", FILM), ("job-1", FILM)]


async def test_a_lost_answer_is_asked_for_again_within_the_call(cloudfront: str) -> None:
    trouble(cloudfront, status=500, when="after", times=1)

    await Cdn(settings(cloudfront)).invalidate(FILM, reference="job-1")

    assert heard(cloudfront) == [("job-1", FILM)]


@pytest.mark.parametrize("fault", [503, 500, 429])
async def test_what_stays_unsure_is_tried_again_later(cloudfront: str, fault: int) -> None:
    trouble(cloudfront, status=fault)

    with pytest.raises(Away):
        await Cdn(settings(cloudfront)).invalidate(FILM, reference="job-1")

    assert heard(cloudfront) == []


async def test_nobody_there_is_tried_again_later_too() -> None:
    with pytest.raises(Away):
        await Cdn(settings("http://127.0.0.1:1")).invalidate(FILM, reference="job-1")


async def test_a_foreign_key_is_not_taken(cloudfront: str) -> None:
    with pytest.raises(Away, match="SignatureDoesNotMatch"):
        await Cdn(settings(cloudfront, cdn_api_secret_key="another")).invalidate(FILM, reference="job-1")


def test_without_credentials_there_is_no_client() -> None:
    with pytest.raises(ConfigurationError, match="CDN_API_ACCESS_KEY"):
        Cdn(Settings())
