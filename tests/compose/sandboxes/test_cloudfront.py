"""The CloudFront API stand-in, driven by boto3 as our worker drives CloudFront."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from compose.sandboxes.cloudfront.app import build
from compose.sandboxes.cloudfront.cache import Cache
from compose.sandboxes.cloudfront.invalidations import Invalidations
from compose.sandboxes.faults import Faults
from tests.compose.sandboxes.serving import serve_here

pytestmark = pytest.mark.quick

DISTRIBUTION = "E2DISTRIBUTION"
ACCESS, SECRET = "AKOURS", "a-secret-of-a-test"


class Cdn:
    """The stand-in, its cache folder, and boto3's client of it."""

    def __init__(self, folder: Path, url: str, faults: Faults) -> None:
        self.cached = folder / "cache"
        self.url = url
        self.faults = faults

    def client(self, secret: str = SECRET, access: str = ACCESS) -> Any:
        return boto3.client(
            "cloudfront",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=access,
            aws_secret_access_key=secret,
            config=Config(retries={"total_max_attempts": 1}),
        )

    def cache(self, path: str) -> Path:
        """Put a file into the cache as nginx does."""
        file = self.cached / uuid4().hex
        file.write_bytes(b"\x05\0\0\0" + b"\0" * 300 + b"\nKEY: " + path.encode() + b"\nHTTP/1.1 200 OK\r\n\r\nbytes")
        return file


@pytest.fixture
def cdn(tmp_path: Path) -> Iterator[Cdn]:
    (tmp_path / "cache").mkdir()
    faults = Faults()
    app = build(
        invalidations=Invalidations(tmp_path / "invalidations.sqlite"),
        cache=Cache(tmp_path / "cache"),
        faults=faults,
        distribution=DISTRIBUTION,
        access_key=ACCESS,
        secret_key=SECRET,
    )
    with serve_here(app) as url:
        yield Cdn(tmp_path, url, faults)


def batch(*paths: str, reference: str = "", quantity: int | None = None) -> dict[str, Any]:
    return {
        "Paths": {"Quantity": len(paths) if quantity is None else quantity, "Items": list(paths)},
        "CallerReference": reference or str(uuid4()),
    }


def test_what_is_invalidated_leaves_the_cache_and_the_rest_stays(cdn: Cdn) -> None:
    withdrawn = [cdn.cache("/videos/1/a.m4s"), cdn.cache("/videos/1/b.m4s"), cdn.cache("/pictures/3/x.webp")]
    kept = [cdn.cache("/videos/12/a.m4s"), cdn.cache("/videos/2/a.m4s"), cdn.cache("/pictures/3/x.webp2")]

    said = cdn.client().create_invalidation(
        DistributionId=DISTRIBUTION, InvalidationBatch=batch("/videos/1/*", "/pictures/3/x.webp")
    )

    assert said["Invalidation"]["InvalidationBatch"]["Paths"]["Items"] == ["/videos/1/*", "/pictures/3/x.webp"]
    assert [file.exists() for file in withdrawn] == [False, False, False]
    assert all(file.exists() for file in kept)


def test_an_invalidation_can_be_looked_up_and_is_listed(cdn: Cdn) -> None:
    client = cdn.client()
    made = client.create_invalidation(DistributionId=DISTRIBUTION, InvalidationBatch=batch("/a"))["Invalidation"]

    found = client.get_invalidation(DistributionId=DISTRIBUTION, Id=made["Id"])["Invalidation"]
    listed = client.list_invalidations(DistributionId=DISTRIBUTION)["InvalidationList"]["Items"]

    assert found["Status"] == "Completed"
    assert found["InvalidationBatch"] == made["InvalidationBatch"]
    assert [one["Id"] for one in listed] == [made["Id"]]


def test_the_same_reference_is_the_same_invalidation_and_with_other_paths_an_error(cdn: Cdn) -> None:
    client = cdn.client()
    first = client.create_invalidation(DistributionId=DISTRIBUTION, InvalidationBatch=batch("/a", reference="job-1"))
    again = client.create_invalidation(DistributionId=DISTRIBUTION, InvalidationBatch=batch("/a", reference="job-1"))

    assert again["Invalidation"]["Id"] == first["Invalidation"]["Id"]
    refuses(cdn, "InvalidArgument", batch("/b", reference="job-1"))


@pytest.mark.parametrize(
    ("code", "asked"),
    [
        ("InvalidArgument", batch("no-slash")),
        ("InvalidArgument", batch("/a*b")),
        ("InvalidArgument", batch("/ein leerzeichen")),
        ("InconsistentQuantities", batch("/a", quantity=2)),
        ("BatchTooLarge", batch(*(f"/{n}" for n in range(3_001)))),
    ],
)
def test_a_batch_that_cloudfront_refuses_is_refused(cdn: Cdn, code: str, asked: dict[str, Any]) -> None:
    refuses(cdn, code, asked)


def test_who_has_not_our_key_is_refused_and_nothing_leaves_the_cache(cdn: Cdn) -> None:
    kept = cdn.cache("/a")

    for client, code in (
        (cdn.client(secret="another"), "SignatureDoesNotMatch"),
        (cdn.client(access="AKTHEIRS"), "InvalidClientTokenId"),
    ):
        with pytest.raises(ClientError, match=code):
            client.create_invalidation(DistributionId=DISTRIBUTION, InvalidationBatch=batch("/a"))

    assert kept.exists()


def test_another_distribution_is_not_there(cdn: Cdn) -> None:
    with pytest.raises(ClientError, match="NoSuchDistribution"):
        cdn.client().create_invalidation(DistributionId="EOTHER", InvalidationBatch=batch("/a"))


def test_entities_and_broken_xml_are_not_read(cdn: Cdn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compose.sandboxes.cloudfront.app.refusal", lambda *_, **__: None)
    at = f"{cdn.url}/2020-05-31/distribution/{DISTRIBUTION}/invalidation"

    bomb = httpx.post(at, content=b'<!DOCTYPE a [<!ENTITY b "c">]><InvalidationBatch/>')
    torn = httpx.post(at, content=b"<InvalidationBatch><Paths>")

    assert (bomb.status_code, torn.status_code) == (400, 400)
    assert "MalformedXML" in bomb.text
    assert "MalformedXML" in torn.text


def test_a_fault_is_told_in_cloudfronts_words_and_a_lost_answer_leaves_the_effect(cdn: Cdn) -> None:
    gone = cdn.cache("/a")

    switch = {"status": 500, "when": "after", "times": 1}

    httpx.post(f"{cdn.url}/sandbox/faults", json=switch).raise_for_status()

    with pytest.raises(ClientError, match="InternalFailure"):
        cdn.client().create_invalidation(DistributionId=DISTRIBUTION, InvalidationBatch=batch("/a", reference="job-2"))

    assert not gone.exists()
    again = cdn.client().create_invalidation(
        DistributionId=DISTRIBUTION, InvalidationBatch=batch("/a", reference="job-2")
    )
    assert again["ResponseMetadata"]["HTTPStatusCode"] == 201


def refuses(cdn: Cdn, code: str, asked: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match=code):
        cdn.client().create_invalidation(DistributionId=DISTRIBUTION, InvalidationBatch=asked)
