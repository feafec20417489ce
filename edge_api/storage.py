"""S3 as the edge needs it: signs addresses to which people send their files themselves, and asks what has arrived."""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, TypeVar

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from compose.settings import Settings
from consumers.transcoding.gateway import client_of
from edge_api.problems import Problem, unavailable

log = structlog.get_logger("storage")

T = TypeVar("T")

AT_ONCE = 4
SILENCE_S_MAX = 3.0
TRIES = 2
WITHIN_S = 8.0
_MISSING = frozenset({"404", "NoSuchKey", "NoSuchUpload", "NotFound"})


class Storage:
    """The bucket of uploads. Signing asks nobody; what asks S3 raises Problem 503 when S3 is away."""

    def __init__(self, settings: Settings) -> None:
        """Take the settings; nothing is asked yet."""
        self._settings = settings
        self._bucket = settings.s3_bucket_uploads
        self._life_s = settings.upload_signed_s
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="storage")

    @cached_property
    def _client(self) -> Any:
        return client_of(self._settings, silence_s_max=SILENCE_S_MAX, tries=TRIES)

    @cached_property
    def _signer(self) -> Any:
        # A signature covers the host: addresses are signed for S3 as browsers reach it.
        public = self._settings.s3_public_url or self._settings.s3_endpoint
        if public == self._settings.s3_endpoint:
            return self._client
        return client_of(self._settings.model_copy(update={"s3_endpoint": public}))

    def warm_up(self) -> None:
        """Make the clients, which takes a fifth of a second, before somebody waits for them."""
        _ = self._signer

    def close(self) -> None:
        """Ask nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def form(self, key: str, *, content_type: str, size: int) -> dict[str, Any]:
        """Address and fields of a form that stores exactly this key, type and number of bytes."""
        made: dict[str, Any] = self._signer.generate_presigned_post(
            self._bucket,
            key,
            Fields={"Content-Type": content_type},
            Conditions=[{"Content-Type": content_type}, ["content-length-range", size, size]],
            ExpiresIn=self._life_s,
        )
        return made

    def part_addresses(self, key: str, upload_id: str, numbers: Iterable[int]) -> dict[int, str]:
        """Where each part is to be PUT."""
        return {
            number: self._signer.generate_presigned_url(
                "upload_part",
                Params={"Bucket": self._bucket, "Key": key, "UploadId": upload_id, "PartNumber": number},
                ExpiresIn=self._life_s,
            )
            for number in numbers
        }

    async def open_parts(self, key: str, *, content_type: str) -> str:
        """Begin an upload in parts; returns S3's id of it."""
        said = await self._ask(
            lambda: self._client.create_multipart_upload(Bucket=self._bucket, Key=key, ContentType=content_type)
        )
        return str(said["UploadId"])

    async def parts(self, key: str, upload_id: str) -> dict[int, int] | None:
        """The parts that have arrived, each with its size in bytes; None when there is no such upload (any more)."""

        def ask() -> dict[int, int] | None:
            pages = self._client.get_paginator("list_parts").paginate(Bucket=self._bucket, Key=key, UploadId=upload_id)
            try:
                return {part["PartNumber"]: part["Size"] for page in pages for part in page.get("Parts", ())}
            except ClientError as error:
                if _code(error) in _MISSING:
                    return None
                raise

        return await self._ask(ask)

    async def size(self, key: str) -> int | None:
        """Bytes of an object; None when it is not there."""

        def ask() -> int | None:
            try:
                return int(self._client.head_object(Bucket=self._bucket, Key=key)["ContentLength"])
            except ClientError as error:
                if _code(error) in _MISSING:
                    return None
                raise

        return await self._ask(ask)

    async def abandon(self, key: str, upload_id: str) -> None:
        """Throw away an upload in parts that nobody will use; when that fails, transcoding's sweep does it."""
        try:
            await self._ask(
                lambda: self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload_id)
            )
        except Problem:
            log.info("an upload in parts is left to the sweep", key=key)

    async def _ask(self, work: Callable[[], T]) -> T:
        try:
            async with asyncio.timeout(WITHIN_S):
                return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except (ClientError, BotoCoreError, TimeoutError) as error:
            log.warning("S3 cannot be asked", reason=type(error).__name__)
            raise unavailable("Uploads are not available for the moment.") from error


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "unknown"))
