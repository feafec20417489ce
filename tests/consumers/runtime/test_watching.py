"""What a process says about itself: health, metrics, logs."""

import json
import logging

import pytest

from consumers.runtime import (
    logs,
)
from consumers.runtime.health import Health
from consumers.runtime.parking import place_of

pytestmark = pytest.mark.quick


def test_health_says_what_is_wrong() -> None:
    wrong: dict[str, str] = {}
    health = Health(trouble=lambda: wrong, waiting=lambda: {"commands": "takes over partitions [0]"})

    assert health.answer(b"GET /health HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 200 OK")
    assert health.answer(b"GET /ready HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 503")
    wrong["commands"] = "has not polled for 40 s"
    answer = health.answer(b"GET /health HTTP/1.1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 503")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["reasons"] == wrong
    assert b"worker_lag_messages" in health.answer(b"GET /metrics HTTP/1.1\r\n\r\n")
    assert health.answer(b"GET /else HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 404")
    assert health.answer(b"POST /health HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 405")


def test_a_logged_exception_shows_neither_its_text_nor_any_variable(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    try:
        logs.configure("trial", "info")
        secret = "s3cret-token"
        try:
            raise ValueError(f"cannot use {secret}")
        except ValueError:
            logging.getLogger("trial").exception("failed")
    finally:
        root.handlers, root.level = handlers, level
    line = capsys.readouterr().out
    assert secret not in line
    assert json.loads(line)["exception"] == "ValueError"
    assert "test_watching.py" in json.loads(line)["frames"][-1]


def test_a_library_that_floods_the_log_is_thinned() -> None:
    thin = logs.Thin()
    record = logging.LogRecord("aiokafka", logging.ERROR, "", 0, "no broker %s", (1,), None)

    assert [thin.filter(record) for _ in range(3)] == [True, False, False]


def test_the_place_of_an_error_names_the_line_and_not_the_text() -> None:
    try:
        raise KeyError("anna@example.com")
    except KeyError as error:
        place = place_of(error)

    assert place.startswith("KeyError at test_watching.py:")
    assert "anna" not in place
