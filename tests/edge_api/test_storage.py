"""The edge's S3: it signs as boto3 does, and takes what S3 says for what it means."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import httpx
import pytest
from botocore.config import Config
from pydantic import AnyHttpUrl

from edge_api.problems import Problem
from edge_api.storage import Storage
from tests.edge_api.doorway import settings

pytestmark = pytest.mark.quick

KEY = "incoming/0192f3a0-0000-7000-8000-000000000001"
OWN = AnyHttpUrl("http://s3.example:9000")
PART = b"<Part><PartNumber>%d</PartNumber><ETag>e</ETag><Size>%d</Size></Part>"
PAGE = b'<ListPartsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">%b</ListPartsResult>'


def boto(**place: Any) -> Any:
    """A client with the keys of the tests' settings."""
    known = settings()
    assert known.s3_access_key is not None
    assert known.s3_secret_key is not None
    return boto3.client(
        "s3",
        region_name=place.pop("region_name", known.s3_region),
        aws_access_key_id=known.s3_access_key.get_secret_value(),
        aws_secret_access_key=known.s3_secret_key.get_secret_value(),
        config=Config(signature_version="s3v4", s3={"addressing_style": place.pop("style", "virtual")}),
        **place,
    )


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A moment that stands still for signatures."""

    def now(remove_tzinfo: bool = True) -> datetime:
        at = datetime(2026, 5, 1, 12, tzinfo=UTC)
        return at.replace(tzinfo=None) if remove_tzinfo else at

    monkeypatch.setattr("botocore.auth.get_current_datetime", now)
    monkeypatch.setattr("botocore.signers.get_current_datetime", now)


PLACES = [
    # Named, for boto3 leaves the region out of the host in us-east-1 alone.
    ({}, {"endpoint_url": "https://s3.us-east-1.amazonaws.com"}),
    ({"s3_endpoint": OWN}, {"endpoint_url": "http://s3.example:9000", "style": "path"}),
    (
        {"s3_endpoint": AnyHttpUrl("http://10.0.0.1:9000"), "s3_public_url": AnyHttpUrl("https://s3.example")},
        {"endpoint_url": "https://s3.example", "style": "path"},
    ),
    ({"s3_region": "eu-central-1"}, {"endpoint_url": "https://s3.eu-central-1.amazonaws.com"}),
    ({"s3_bucket_uploads": "films.example"}, {"endpoint_url": "https://s3.us-east-1.amazonaws.com", "style": "path"}),
]


@pytest.mark.usefixtures("noon")
@pytest.mark.parametrize(("ours", "theirs"), PLACES, ids=["amazon", "own", "seen from outside", "region", "dots"])
async def test_an_address_is_signed_as_boto3_signs_it(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    known = settings(**{"s3_endpoint": None, "s3_public_url": None, **ours})
    storage = Storage(known)
    client = boto(region_name=known.s3_region, **theirs)

    made = storage.part_addresses(KEY, "an id/+=", [3])[3]
    expected = client.generate_presigned_url(
        "upload_part",
        Params={"Bucket": known.s3_bucket_uploads, "Key": KEY, "PartNumber": 3, "UploadId": "an id/+="},
        ExpiresIn=known.upload_signed_s,
    )

    one, other = urlsplit(made), urlsplit(expected)
    assert (one.scheme, one.netloc, one.path) == (other.scheme, other.netloc, other.path)
    assert parse_qs(one.query) == parse_qs(other.query)
    await storage.close()


@pytest.mark.usefixtures("noon")
async def test_a_form_is_signed_as_boto3_signs_it() -> None:
    known = settings(s3_endpoint=OWN)
    storage = Storage(known)

    made = storage.form(KEY, content_type="video/mp4", size=10)

    expected = boto(endpoint_url="http://s3.example:9000", style="path").generate_presigned_post(
        known.s3_bucket_uploads,
        KEY,
        Fields={"Content-Type": "video/mp4"},
        Conditions=[{"Content-Type": "video/mp4"}, ["content-length-range", 10, 10]],
        ExpiresIn=known.upload_signed_s,
    )
    assert made == expected
    await storage.close()


def answering(*answers: httpx.Response | Exception) -> tuple[Storage, list[httpx.Request]]:
    """A storage whose S3 says these, one after the other, and what it was asked."""
    storage, left, asked = Storage(settings(s3_endpoint=OWN)), list(answers), list[httpx.Request]()

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        said = left.pop(0)
        if isinstance(said, Exception):
            raise said
        return said

    storage._http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    return storage, asked


async def test_all_pages_of_parts_are_read() -> None:
    more = b"<IsTruncated>true</IsTruncated><NextPartNumberMarker>2</NextPartNumberMarker>"
    last = b"<IsTruncated>false</IsTruncated>"
    storage, asked = answering(
        httpx.Response(200, content=PAGE % (PART % (1, 50) + PART % (2, 60) + more)),
        httpx.Response(200, content=PAGE % (PART % (3, 7) + last)),
    )

    assert await storage.parts(KEY, "an id") == {1: 50, 2: 60, 3: 7}
    assert [request.url.params["part-number-marker"] for request in asked] == ["0", "2"]
    assert {request.url.params["uploadId"] for request in asked} == {"an id"}
    assert all(request.headers["Authorization"].startswith("AWS4-HMAC-SHA256 ") for request in asked)


async def test_what_is_not_there_is_none() -> None:
    gone = httpx.Response(404, content=b"<Error><Code>NoSuchUpload</Code></Error>")
    storage, _ = answering(httpx.Response(404), gone, gone)

    assert await storage.size(KEY) is None
    assert await storage.parts(KEY, "an id") is None
    await storage.abandon(KEY, "an id")


Ask = Callable[[Storage], Any]


@pytest.mark.parametrize(
    "ask",
    [
        lambda storage: storage.size(KEY),
        lambda storage: storage.parts(KEY, "an id"),
        lambda storage: storage.open_parts(KEY, content_type="video/mp4"),
    ],
    ids=["size", "parts", "open_parts"],
)
@pytest.mark.parametrize(
    "says",
    [
        [httpx.Response(403)],
        [httpx.Response(404, content=b"<Error><Code>NoSuchBucket</Code></Error>")],
        [httpx.Response(503), httpx.Response(500)],
        [httpx.ConnectError("refused"), httpx.ReadTimeout("silent")],
        [httpx.ReadError("cut off"), httpx.Response(502)],
    ],
    ids=["forbidden", "no bucket", "busy", "away", "cut off"],
)
async def test_an_s3_in_trouble_is_said_to_be_away(says: list[Any], ask: Ask) -> None:
    storage, asked = answering(*says)

    with pytest.raises(Problem) as problem:
        await ask(storage)

    assert problem.value.code == "service_unavailable"
    assert len(asked) == len(says)


async def test_an_s3_that_was_away_for_a_moment_is_asked_again() -> None:
    opened = b"<InitiateMultipartUploadResult><UploadId>an id</UploadId></InitiateMultipartUploadResult>"
    storage, asked = answering(httpx.Response(503), httpx.Response(200, content=opened))

    assert await storage.open_parts(KEY, content_type="video/mp4") == "an id"
    assert {(request.method, request.url.query, request.headers["Content-Type"]) for request in asked} == {
        ("POST", b"uploads=", "video/mp4")
    }
