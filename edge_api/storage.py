"""S3 as the edge needs it: signs addresses to which people send their files themselves, and asks what has arrived.

botocore signs and httpx sends: boto3's client would take 17 MB of each process for five requests (0001).
"""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

import httpx
import structlog
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError
from botocore.hooks import HierarchicalEmitter
from botocore.model import ServiceId
from botocore.signers import RequestSigner, S3PostPresigner

from compose.settings import Settings
from edge_api.problems import Problem, unavailable

log = structlog.get_logger("storage")

AT_ONCE = 4
SILENCE_S_MAX = 3.0
TRIES = 2
"""Each of the requests may be sent twice; an upload that is opened twice leaves one that transcoding's sweep ends."""
WITHIN_S = 8.0
SHOWN_MAX = 300
"""Characters of an answer that a log line may repeat."""

AWAY = "Uploads are not available for the moment."

Query = Mapping[str, str | int]


class Storage:
    """The bucket of uploads. Signing asks nobody; what asks S3 raises Problem 503 when S3 is away."""

    def __init__(self, settings: Settings) -> None:
        """Take the settings; nothing is asked yet."""
        self._bucket = settings.s3_bucket_uploads
        self._life_s = settings.upload_signed_s
        self._here = _address(settings, settings.s3_endpoint)
        # A signature covers the host: addresses are signed for S3 as browsers reach it.
        self._public = _address(settings, settings.s3_public_url or settings.s3_endpoint)
        self._events = HierarchicalEmitter()
        self._signer = RequestSigner(
            ServiceId("S3"), settings.s3_region, "s3", "s3v4", _credentials(settings), self._events
        )
        self._http = httpx.AsyncClient(
            timeout=SILENCE_S_MAX,
            limits=httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE),
            verify=self._here.startswith("https:"),
            trust_env=False,
        )

    async def close(self) -> None:
        """Ask nothing more."""
        await self._http.aclose()

    def form(self, key: str, *, content_type: str, size: int) -> dict[str, Any]:
        """Address and fields of a form that stores exactly this key, type and number of bytes."""
        made: dict[str, Any] = S3PostPresigner(self._signer).generate_presigned_post(
            _described("POST", self._public),
            fields={"Content-Type": content_type, "key": key},
            conditions=[
                {"Content-Type": content_type},
                ["content-length-range", size, size],
                {"bucket": self._bucket},
                {"key": key},
            ],
            expires_in=self._life_s,
        )
        return made

    def part_addresses(self, key: str, upload_id: str, numbers: Iterable[int]) -> dict[int, str]:
        """Where each part is to be PUT."""
        return {
            number: self._signer.generate_presigned_url(
                _described("PUT", _url(self._public, key, {"partNumber": number, "uploadId": upload_id})),
                "UploadPart",
                expires_in=self._life_s,
            )
            for number in numbers
        }

    async def open_parts(self, key: str, *, content_type: str) -> str:
        """Begin an upload in parts; returns S3's id of it."""
        said = await self._ask("POST", key, {"uploads": ""}, {"Content-Type": content_type})
        upload_id = None if said is None else _xml(said).findtext("{*}UploadId")
        if not upload_id:
            raise unavailable(AWAY)
        return upload_id

    async def parts(self, key: str, upload_id: str) -> dict[int, int] | None:
        """The parts that have arrived, each with its size in bytes; None when there is no such upload (any more)."""
        found: dict[int, int] = {}
        after = "0"
        while True:
            said = await self._ask("GET", key, {"part-number-marker": after, "uploadId": upload_id})
            if said is None:
                return None
            page = _xml(said)
            for part in page.iterfind("{*}Part"):
                found[int(part.findtext("{*}PartNumber", ""))] = int(part.findtext("{*}Size", ""))
            if page.findtext("{*}IsTruncated") != "true":
                return found
            after = page.findtext("{*}NextPartNumberMarker", "")

    async def size(self, key: str) -> int | None:
        """Bytes of an object; None when it is not there."""
        said = await self._ask("HEAD", key)
        return None if said is None else int(said.headers["Content-Length"])

    async def abandon(self, key: str, upload_id: str) -> None:
        """Throw away an upload in parts that nobody will use; when that fails, transcoding's sweep does it."""
        try:
            await self._ask("DELETE", key, {"uploadId": upload_id})
        except Problem:
            log.info("an upload in parts is left to the sweep", key=key)

    async def _ask(
        self, method: str, key: str, query: Query | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response | None:
        """S3's answer; None when it says that there is no such thing. Raises Problem 503."""
        url = _url(self._here, key, query or {})
        try:
            async with asyncio.timeout(WITHIN_S):
                answer = await self._try(method, url, headers or {})
        except (httpx.TransportError, BotoCoreError, TimeoutError) as error:
            log.warning("S3 cannot be asked", reason=repr(error))
            raise unavailable(AWAY) from error
        if answer.status_code == httpx.codes.NOT_FOUND and b"NoSuchBucket" not in answer.content:
            return None
        if answer.is_error:
            log.warning("S3 refuses", status=answer.status_code, said=answer.text[:SHOWN_MAX])
            raise unavailable(AWAY)
        return answer

    async def _try(self, method: str, url: str, headers: Mapping[str, str]) -> httpx.Response:
        for _ in range(TRIES - 1):
            with suppress(httpx.TransportError):
                answer = await self._send(method, url, headers)
                if answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR:
                    return answer
        return await self._send(method, url, headers)

    async def _send(self, method: str, url: str, headers: Mapping[str, str]) -> httpx.Response:
        request = AWSRequest(method=method, url=url, headers=headers)
        self._signer.sign(method, request)
        return await self._http.request(method, url, headers=dict(request.headers.items()))


def _address(settings: Settings, endpoint: object) -> str:
    """Of the bucket: at an S3 of one's own, or at Amazon's."""
    bucket = settings.s3_bucket_uploads
    if endpoint is not None:
        return f"{str(endpoint).rstrip('/')}/{bucket}"
    host = f"s3.{settings.s3_region}.amazonaws.com"
    # No certificate is for a host with more dots.
    return f"https://{host}/{bucket}" if "." in bucket else f"https://{bucket}.{host}"


def _url(bucket: str, key: str, query: Query) -> str:
    asked = urlencode(sorted(query.items()), quote_via=quote)
    return f"{bucket}/{quote(key)}{'?' if asked else ''}{asked}"


def _described(method: str, url: str) -> dict[str, Any]:
    """A request as botocore's signers take it."""
    return {"method": method, "url": url, "body": b"", "headers": {}, "context": {}}


def _credentials(settings: Settings) -> Credentials:
    key, secret = settings.s3_access_key, settings.s3_secret_key
    assert key is not None, "an edge does not start without"
    assert secret is not None, "an edge does not start without"
    return Credentials(key.get_secret_value(), secret.get_secret_value())


def _xml(answer: httpx.Response) -> ElementTree.Element:
    return ElementTree.fromstring(answer.content)  # noqa: S314 - from S3 itself, over a connection that we opened
