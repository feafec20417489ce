"""Structured logs: one JSON object per line with the request and trace id, never a body; floods of Kafka's clients are thinned."""

import logging
import sys
import time
import traceback
from typing import Any

import structlog

from consumers.runtime.messages import Incoming

THINNED_TO_S = 10.0


class Thin(logging.Filter):
    """Lets the same message of a library through once in THINNED_TO_S; says how many it held back."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[tuple[str, str], float] = {}
        self._held: dict[tuple[str, str], int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record may pass."""
        about = (record.name, str(record.msg))
        now = time.monotonic()
        if now - self._last.get(about, -THINNED_TO_S) < THINNED_TO_S:
            self._held[about] = self._held.get(about, 0) + 1
            return False
        self._last[about] = now
        held = self._held.pop(about, 0)
        if held:
            record.msg = f"{record.msg} (and {held} more like this)"
        return True


def about(incoming: Incoming) -> dict[str, object]:
    """What a log line may say about a message: where it stands and whose request it was; never its content."""
    trace = (incoming.traceparent or "").split("-")
    return {
        "topic": incoming.topic,
        "partition": incoming.partition,
        "offset": incoming.offset,
        "type": incoming.type,
        "message_id": str(incoming.id),
        "request_id": incoming.correlation_id,
        "trace_id": trace[1] if len(trace) == 4 else None,
    }


def configure(process: str, level: str) -> None:
    """Set logging up for a process; libraries speak through the same lines from `warning` up."""
    least = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _named(process),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _place_of_exception,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    thin = Thin()
    handler.addFilter(
        lambda record: not record.name.startswith(("aiokafka", "librdkafka", "subscriber")) or thin.filter(record)
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(least)
    for name in ("aiokafka", "asyncio", "httpx", "httpcore"):
        logging.getLogger(name).setLevel(max(least, logging.WARNING))
    # Its one warning says at each start that topics are not made by accident, which is meant so.
    logging.getLogger("subscriber").setLevel(max(least, logging.ERROR))


def _place_of_exception(_logger: Any, _method: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Say what was raised and where, but neither its text nor any variable: both may repeat what a message holds."""
    raised = line.pop("exc_info", None)
    error = sys.exc_info()[1] if raised is True else raised[1] if isinstance(raised, tuple) else raised
    if isinstance(error, BaseException):
        line["exception"] = type(error).__qualname__
        line["frames"] = [
            f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in traceback.extract_tb(error.__traceback__)
        ]
        if error.__cause__ is not None:
            line["cause"] = type(error.__cause__).__qualname__
    return line


def _named(process: str) -> structlog.typing.Processor:
    def name(_logger: Any, _method: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
        line["process"] = process
        return line

    return name
