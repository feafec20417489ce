"""SendGrid: the one place that speaks to it, and what its answers mean for a job."""

import asyncio
import email.utils
import functools
import json
import logging
import re
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from uuid import UUID

import structlog
from python_http_client.exceptions import HTTPError
from sendgrid import SendGridAPIClient
from sendgrid.helpers.mail import (
    Category,
    ClickTracking,
    Content,
    CustomArg,
    From,
    MimeType,
    OpenTracking,
    Personalization,
    To,
    TrackingSettings,
)
from sendgrid.helpers.mail import Mail as Request

from consumers.notifications.compose import PRODUCT, Mail
from consumers.runtime import GiveUp, TryAgain

log = structlog.get_logger("sendgrid")

SILENCE_S_MAX = 10.0
"""Without a byte for so long, the provider has not answered."""
WAIT_S_MAX = 3_600.0
"""The longest that we let the provider send us away for."""

_OURS_TO_REPAIR = frozenset({401, 403})
_PASSING = frozenset({408, 409, 425, 429})

# At DEBUG the SDK's client logs every request with its credential and its body.
logging.getLogger("python_http_client").setLevel(logging.INFO)


class SendGrid:
    """Sends mail through the SDK, which blocks: in threads of its own, at most `at_once` together."""

    def __init__(
        self, *, api_key: str, host: str, sender: str, at_once: int, silence_s_max: float = SILENCE_S_MAX
    ) -> None:
        """Take the key, the API's address, and the sender's e-mail address."""
        self._client = SendGridAPIClient(api_key, host=host.rstrip("/"))
        self._client.client.timeout = silence_s_max
        self._deadline_s = 2 * silence_s_max
        self._sender = sender
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="sendgrid")

    async def send(self, mail: Mail, *, job_id: UUID, occasion: str) -> str | None:
        """Have a mail queued by SendGrid; returns its message id.

        Raises TryAgain when it was not queued or nobody knows whether it was, GiveUp when SendGrid will never take it.
        """
        body = _request(mail, sender=self._sender, job_id=job_id, occasion=occasion).get()
        loop = asyncio.get_running_loop()
        call = loop.run_in_executor(self._threads, functools.partial(self._client.send, body))
        try:
            async with asyncio.timeout(self._deadline_s):
                response = await call
        except HTTPError as error:
            raise _meaning(error.status_code, error.headers or {}, error.body) from error
        except (OSError, HTTPException) as error:
            raise TryAgain(f"no answer from SendGrid ({type(error).__name__})") from error
        if response.status_code != 202:
            # A redirect ends here as the 200 of some other page: nothing was queued.
            raise TryAgain(f"SendGrid answered {response.status_code} instead of 202")
        return response.headers.get("X-Message-Id")  # type: ignore[no-any-return]

    def close(self) -> None:
        """Take no more mail; a call under way ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _request(mail: Mail, *, sender: str, job_id: UUID, occasion: str) -> Request:
    request = Request(from_email=From(sender, PRODUCT), subject=mail.subject)
    addressee = To()
    addressee.email = mail.to  # The constructor would parse it, and drop what it takes for a name.
    envelope = Personalization()
    envelope.add_to(addressee)
    request.add_personalization(envelope)
    request.add_content(Content(MimeType.text, mail.text))
    request.add_content(Content(MimeType.html, mail.html))
    request.add_custom_arg(CustomArg("job_id", str(job_id)))
    request.add_category(Category(occasion))
    # Tracking would lead every link, with its token, through another domain.
    tracking = TrackingSettings()
    tracking.click_tracking = ClickTracking(enable=False, enable_text=False)
    tracking.open_tracking = OpenTracking(enable=False)
    request.tracking_settings = tracking
    return request


def _meaning(status: int, headers: Mapping[str, str], body: bytes) -> TryAgain | GiveUp:
    reason = f"SendGrid answered {status}{_fields(body)}"
    if status in _OURS_TO_REPAIR:
        # The mail is not at fault: it waits until an operator has set the right key or verified the sender.
        log.error("SendGrid refuses us: check SENDGRID_API_KEY and MAIL_FROM", status=status)
        return TryAgain(reason)
    if status in _PASSING or status >= 500:
        return TryAgain(reason, after_s=_wait_s(headers, now_s=time.time()))
    return GiveUp(reason)


def _fields(body: bytes) -> str:
    # Names of fields only: SendGrid's sentences repeat the address, and reasons travel on a topic.
    try:
        errors = json.loads(body)["errors"]
        names = {error["field"] for error in errors}
    except (ValueError, KeyError, TypeError):
        return ""
    known = sorted(name for name in names if isinstance(name, str) and re.fullmatch(r"[a-z_0-9.]{1,60}", name))
    return f" at {', '.join(known[:5])}" if known else ""


def _wait_s(headers: Mapping[str, str], *, now_s: float) -> float | None:
    """Seconds until we may come back: `Retry-After` (RFC 9110), else SendGrid's `X-RateLimit-Reset` (seconds since 1970)."""
    after, reset = headers.get("Retry-After"), headers.get("X-RateLimit-Reset")
    if after is not None and after.strip().isdecimal():
        wait_s = float(after)
    elif after is not None:
        try:
            wait_s = email.utils.parsedate_to_datetime(after).timestamp() - now_s
        except ValueError:
            return None
    elif reset is not None and reset.strip().isdecimal():
        wait_s = float(reset) - now_s
    else:
        return None
    # "Now" would make us ask without a pause: our own growing delays are better.
    return min(wait_s, WAIT_S_MAX) if wait_s > 0 else None
