"""S3: the one place of this worker that speaks to it, through boto3 in threads; what its answers mean."""

import asyncio
import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from compose.settings import Settings

T = TypeVar("T")

AT_ONCE = 8
"""Requests under way in one process."""
CONNECT_S_MAX = 3.0
SILENCE_S_MAX = 15.0
"""Without a byte for so long, S3 has not answered."""
TRIES = 4
SLOWEST_BYTES_PER_S = 500_000
"""A transfer slower than this is broken off and goes on where it stopped, with another connection."""
CHUNK = 1 << 18
DELETED_AT_ONCE = 1_000

_MISSING = frozenset({"404", "NoSuchKey", "NoSuchUpload", "NotFound"})


class Away(Exception):
    """S3 did not do it this time; come again."""


class Missing(Exception):
    """There is no such object."""


class TooLarge(Exception):
    """The object is larger than may be fetched."""


class Head(NamedTuple):
    """What S3 says of an object."""

    size: int
    etag: str


class Found(NamedTuple):
    """A multipart upload that was opened and not ended; `begun_s` in seconds since 1970."""

    key: str
    upload_id: str
    begun_s: float


def client_of(settings: Settings, *, silence_s_max: float = SILENCE_S_MAX, tries: int = TRIES) -> Any:
    """A boto3 client for S3, Amazon's or another's."""
    key, secret = settings.s3_access_key, settings.s3_secret_key
    return boto3.client(
        "s3",
        endpoint_url=None if settings.s3_endpoint is None else str(settings.s3_endpoint).rstrip("/"),
        region_name=settings.s3_region,
        aws_access_key_id=None if key is None else key.get_secret_value(),
        aws_secret_access_key=None if secret is None else secret.get_secret_value(),
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "auto" if settings.s3_endpoint is None else "path"},
            connect_timeout=CONNECT_S_MAX,
            read_timeout=silence_s_max,
            retries={"mode": "standard", "max_attempts": tries},
            max_pool_connections=2 * AT_ONCE,
            # Not every S3 knows the newer checksums that boto3 sends of itself.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


class Objects:
    """Objects of our buckets. Every method raises Away when S3 cannot be asked or does not answer soundly."""

    def __init__(self, settings: Settings, *, silence_s_max: float = SILENCE_S_MAX) -> None:
        """Take the settings; nothing is asked yet."""
        self.uploads = settings.s3_bucket_uploads
        self.media = settings.s3_bucket_media
        self._client = client_of(settings, silence_s_max=silence_s_max)
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="s3")

    def close(self) -> None:
        """Begin nothing more; a request under way ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def make_buckets(self) -> None:
        """Make the buckets that are not there (an S3 of one's own; Amazon's are made by an operator)."""

        def make() -> None:
            for bucket in (self.uploads, self.media):
                try:
                    self._client.head_bucket(Bucket=bucket)
                except ClientError as error:
                    if _code(error) not in {"404", "NoSuchBucket"}:
                        raise
                    self._client.create_bucket(Bucket=bucket)

        await self._do(make)

    async def head(self, bucket: str, key: str) -> Head | None:
        """Size and tag of an object; None when it is not there."""

        def ask() -> Head | None:
            try:
                said = self._client.head_object(Bucket=bucket, Key=key)
            except ClientError as error:
                if _code(error) in _MISSING:
                    return None
                raise
            return Head(said["ContentLength"], said["ETag"])

        return await self._do(ask)

    async def fetch(self, bucket: str, key: str, path: Path, *, bytes_max: int) -> int:
        """Bring an object to a file, whole or not at all; returns its size. Raises Missing and TooLarge.

        A connection that breaks or crawls is replaced, and the transfer goes on where it stopped.
        """
        partial = path.with_name(path.name + ".partial")
        try:
            size = await self._do(lambda: self._fetch(bucket, key, partial, bytes_max))
            await asyncio.to_thread(os.replace, partial, path)
        finally:
            await asyncio.to_thread(partial.unlink, missing_ok=True)
        return size

    def _fetch(self, bucket: str, key: str, partial: Path, bytes_max: int) -> int:
        try:
            said = self._client.head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            raise Missing(key) if _code(error) in _MISSING else error from None
        size, etag = said["ContentLength"], said["ETag"]
        if size > bytes_max:
            raise TooLarge(f"{size} bytes, at most {bytes_max}")
        fruitless, done = 0, 0
        with partial.open("wb") as file:
            while done < size:
                before = done
                try:
                    done += self._continue(bucket, key, etag, done, file)
                except (BotoCoreError, HTTPClientError, OSError, _Crawls) as error:
                    done = file.tell()
                    fruitless = 0 if done > before else fruitless + 1
                    if fruitless >= TRIES:
                        raise Away(
                            f"the transfer stopped at {done} of {size} bytes ({type(error).__name__})"
                        ) from error
                else:
                    fruitless = 0 if done > before else fruitless + 1
                    if fruitless >= TRIES:
                        raise Away(f"the transfer ended at {done} of {size} bytes")
        return int(size)

    def _continue(self, bucket: str, key: str, etag: str, start: int, file: Any) -> int:
        which = {"Range": f"bytes={start}-", "IfMatch": etag} if start else {"IfMatch": etag}
        body = self._client.get_object(Bucket=bucket, Key=key, **which)["Body"]
        begun, done = time.monotonic(), 0
        try:
            for chunk in body.iter_chunks(CHUNK):
                file.write(chunk)
                done += len(chunk)
                if time.monotonic() - begun > SILENCE_S_MAX + done / SLOWEST_BYTES_PER_S:
                    raise _Crawls
        finally:
            body.close()
        return done

    async def put(self, bucket: str, key: str, path: Path, *, content_type: str) -> None:
        """Store a file; again with the same content is the same."""

        def store() -> None:
            with path.open("rb") as file:
                self._client.put_object(Bucket=bucket, Key=key, Body=file, **_kept(content_type))

        await self._do(store)

    async def put_bytes(self, bucket: str, key: str, data: bytes, *, content_type: str) -> None:
        """Store bytes."""
        await self._do(lambda: self._client.put_object(Bucket=bucket, Key=key, Body=data, **_kept(content_type)))

    async def copy(self, bucket: str, key: str, to_key: str) -> None:
        """Copy an object within its bucket; raises Missing."""

        def copy() -> None:
            # The managed copy takes parts where one request may not (above 5 GB).
            self._client.copy({"Bucket": bucket, "Key": key}, bucket, to_key)

        await self._do(copy, missing=key)

    async def delete(self, bucket: str, keys: Sequence[str]) -> None:
        """Delete objects; one that is not there is as good as deleted."""

        def delete() -> None:
            for start in range(0, len(keys), DELETED_AT_ONCE):
                part = [{"Key": key} for key in keys[start : start + DELETED_AT_ONCE]]
                said = self._client.delete_objects(Bucket=bucket, Delete={"Objects": part, "Quiet": True})
                if errors := said.get("Errors"):
                    raise Away(f"{len(errors)} objects were not deleted ({errors[0].get('Code')})")

        if keys:
            await self._do(delete)

    async def keys(self, bucket: str, prefix: str) -> dict[str, int]:
        """Keys below a prefix, each with its size in bytes."""

        def ask() -> dict[str, int]:
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
            return {one["Key"]: one["Size"] for page in pages for one in page.get("Contents", ())}

        return await self._do(ask)

    async def folders(self, bucket: str, prefix: str) -> list[str]:
        """Names of the folders directly below a prefix."""

        def ask() -> list[str]:
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
            found: Iterable[str] = (one["Prefix"] for page in pages for one in page.get("CommonPrefixes", ()))
            return [folder.removeprefix(prefix).rstrip("/") for folder in found]

        return await self._do(ask)

    async def parts_size(self, key: str, upload_id: str) -> int | None:
        """Bytes that a multipart upload has so far; None when there is no such upload (any more)."""
        parts = await self._parts(key, upload_id)
        return None if parts is None else sum(part["Size"] for part in parts)

    async def join(self, key: str, upload_id: str) -> bool:
        """Make one object of a multipart upload's parts; False when there is no such upload (any more)."""
        parts = await self._parts(key, upload_id)
        if not parts:
            return False
        joined = {"Parts": [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in parts]}

        def complete() -> bool:
            try:
                self._client.complete_multipart_upload(
                    Bucket=self.uploads, Key=key, UploadId=upload_id, MultipartUpload=joined
                )
            except ClientError as error:
                if _code(error) in _MISSING:
                    return False
                raise
            return True

        return await self._do(complete)

    async def _parts(self, key: str, upload_id: str) -> list[dict[str, Any]] | None:
        def ask() -> list[dict[str, Any]] | None:
            pages = self._client.get_paginator("list_parts").paginate(Bucket=self.uploads, Key=key, UploadId=upload_id)
            try:
                return [part for page in pages for part in page.get("Parts", ())]
            except ClientError as error:
                if _code(error) in _MISSING:
                    return None
                raise

        return await self._do(ask)

    async def abort(self, key: str, upload_id: str) -> None:
        """Throw away a multipart upload with its parts; one that is not there is as good as thrown away."""

        def abort() -> None:
            try:
                self._client.abort_multipart_upload(Bucket=self.uploads, Key=key, UploadId=upload_id)
            except ClientError as error:
                if _code(error) not in _MISSING:
                    raise

        await self._do(abort)

    async def open_parts(self) -> list[Found]:
        """Multipart uploads that were opened and not ended."""

        def ask() -> list[Found]:
            pages = self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self.uploads)
            return [
                Found(one["Key"], one["UploadId"], one["Initiated"].timestamp())
                for page in pages
                for one in page.get("Uploads", ())
            ]

        return await self._do(ask)

    async def _do(self, work: Callable[[], T], *, missing: str | None = None) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except ClientError as error:
            if missing is not None and _code(error) in _MISSING:
                raise Missing(missing) from error
            raise Away(f"S3 answered {_code(error)}") from error
        except (BotoCoreError, HTTPClientError) as error:
            raise Away(f"S3 does not answer ({type(error).__name__})") from error


class _Crawls(Exception):
    """The transfer is too slow."""


def _kept(content_type: str) -> dict[str, str]:
    # A key is the hash of what it names: whoever has it need never ask again.
    return {"ContentType": content_type, "CacheControl": "public, max-age=31536000, immutable"}


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "unknown"))
