"""Which event calls for which letter, and what its job holds."""

import json
from uuid import UUID, uuid4

import pytest

from consumers.notifications.letters import Letter, job_of
from consumers.runtime import Incoming
from schemas.users import EmailVerificationRequested, PasswordResetRequested
from tests.consumers.notifications.builders import ANNA, reset_requested, verification_requested

pytestmark = pytest.mark.quick

EVENT = UUID("22222222-0000-4000-8000-000000000002")


def incoming(body: EmailVerificationRequested | PasswordResetRequested, *, event_id: UUID = EVENT) -> Incoming:
    return Incoming(
        topic="user-events",
        partition=0,
        offset=5,
        at_ms=0,
        key=str(ANNA).encode(),
        type=type(body).__name__,
        id=event_id,
        aggregate=ANNA,
        body=body,
        value=b"{}",
        headers={},
        correlation_id="request-1",
        traceparent="00-a-b-01",
    )


def test_an_address_to_be_proved_calls_for_a_verification_letter_with_the_seals_as_they_are() -> None:
    job = job_of(incoming(verification_requested()))

    assert (job.kind, job.correlation_id, job.traceparent) == ("send_email", "request-1", "00-a-b-01")
    assert json.loads(job.payload) == {
        "occasion": "email-verification",
        "userId": str(ANNA),
        "username": "anna",
        "sealedEmail": "v1.user.e.e",
        "sealedToken": "v1.user.t.t",
        "expiresAt": "2030-05-01T00:00:00Z",
    }


def test_a_forgotten_password_calls_for_a_reset_letter() -> None:
    assert Letter.model_validate_json(job_of(incoming(reset_requested())).payload).occasion == "password-reset"


def test_the_same_event_is_the_same_job_and_another_event_another() -> None:
    first, again = (job_of(incoming(verification_requested())) for _ in range(2))
    other = job_of(incoming(verification_requested(), event_id=uuid4()))

    assert first.id == again.id
    assert other.id != first.id
