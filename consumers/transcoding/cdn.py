"""The CDN's API (CloudFront through boto3): what was withdrawn is not served from its caches any more."""

import asyncio
from collections.abc import Sequence

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from compose.settings import ConfigurationError, Settings
from consumers.transcoding.gateway import Away

REGION = "us-east-1"
"""CloudFront has no other."""

CONNECT_S, READ_S, ATTEMPTS = 3, 10, 2


class Cdn:
    """One distribution."""

    def __init__(self, settings: Settings) -> None:
        """Make the client; nothing is asked yet. Raises ConfigurationError without credentials."""
        if settings.cdn_api_access_key is None or settings.cdn_api_secret_key is None:
            raise ConfigurationError("CDN_API_ACCESS_KEY and CDN_API_SECRET_KEY are not set.")
        self._distribution = settings.cdn_distribution_id
        self._client = boto3.client(
            "cloudfront",
            endpoint_url=None if settings.cdn_api_url is None else str(settings.cdn_api_url).rstrip("/"),
            region_name=REGION,
            aws_access_key_id=settings.cdn_api_access_key.get_secret_value(),
            aws_secret_access_key=settings.cdn_api_secret_key.get_secret_value(),
            config=Config(
                connect_timeout=CONNECT_S,
                read_timeout=READ_S,
                retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
            ),
        )

    async def invalidate(self, paths: Sequence[str], *, reference: str) -> None:
        """Have the CDN forget what it holds of `paths` (`/videos/{id}/*`); the same reference again changes nothing.

        Raises Away when that is not sure.
        """
        batch = {"Paths": {"Quantity": len(paths), "Items": list(paths)}, "CallerReference": reference}
        try:
            await asyncio.to_thread(
                self._client.create_invalidation, DistributionId=self._distribution, InvalidationBatch=batch
            )
        except (ClientError, BotoCoreError) as error:
            raise Away(f"CloudFront: {error}") from error
