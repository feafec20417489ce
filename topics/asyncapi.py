"""The AsyncAPI 3 document of every topic and message, generated from the catalog and the schemas."""

from typing import Any

from pydantic.json_schema import models_json_schema

from schemas import envelope
from schemas.registry import MESSAGES, Message
from topics.catalog import CATALOG, Topic

_SCHEMAS = "#/components/schemas/{model}"
_HEADERS_OF_ALL = (
    (envelope.CE_SPECVERSION, "CloudEvents version, `1.0`"),
    (envelope.CE_ID, "commandId or eventId"),
    (envelope.CE_SOURCE, "who says it, such as `/edge` or `/bids`"),
    (envelope.CE_TYPE, "CloudEvents type"),
    (envelope.CE_TIME, "RFC 3339, UTC, milliseconds"),
    (envelope.CE_SUBJECT, "the aggregate's id"),
    (envelope.CE_DATASCHEMA, "file of the JSON Schema of `data`"),
    (envelope.CONTENT_TYPE_HEADER, "`application/json`"),
    (envelope.TRACEPARENT, "W3C trace context"),
    (envelope.CORRELATION_ID, "the request's id"),
)
_HEADERS_OF_COMMANDS = (
    (envelope.ACTOR, 'who asks, as the edge verified it: `{"id","roles"}`'),
    (envelope.REPLY_PARTITION, "partition of `replies` where the asker listens; absent when nobody waits"),
    (envelope.DEADLINE, "milliseconds since 1970 after which the command is refused (rule T4)"),
    (envelope.FINGERPRINT, "hash of what was asked, when the sender named an Idempotency-Key (rule K3)"),
)
_HEADERS_OF_EVENTS = ((envelope.CAUSATION_ID, "the command that caused it"),)


def document(version: str) -> dict[str, Any]:
    """The AsyncAPI 3.0 document as plain data."""
    _, definitions = models_json_schema(
        [(message.model, "validation") for message in MESSAGES], by_alias=True, ref_template=_SCHEMAS
    )
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Video Marketplace topics",
            "version": version,
            "description": "Everything that flows between the edge, the workers and whoever taps the topics.",
        },
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {
                "host": "{bootstrap}",
                "protocol": "kafka",
                "variables": {"bootstrap": {"default": "127.0.0.1:9092"}},
            }
        },
        "channels": {topic.name: _channel(topic) for topic in CATALOG},
        "operations": dict(operation for topic in CATALOG for operation in _operations(topic)),
        "components": {
            "messages": {message.name: _message(message) for message in MESSAGES},
            "schemas": definitions.get("$defs", {}),
        },
    }


def _of(topic: Topic) -> list[Message]:
    return [message for message in MESSAGES if message.topic == topic.name]


def _channel(topic: Topic) -> dict[str, Any]:
    return {
        "address": topic.name,
        "description": f"{topic.why}. Key: {topic.key}. Owner: {topic.owner}. Personal data: {topic.personal}.",
        "messages": {message.name: {"$ref": f"#/components/messages/{message.name}"} for message in _of(topic)},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "topicConfiguration": {
                    "retention.ms": int(topic.kept.total_seconds() * 1000),
                    "cleanup.policy": ["delete"],
                },
                "bindingVersion": "0.5.0",
            }
        },
    }


def _operations(topic: Topic) -> list[tuple[str, dict[str, Any]]]:
    channel = {"$ref": f"#/channels/{topic.name}"}
    sends = [(f"{writer}-sends-{topic.name}", {"action": "send", "channel": channel}) for writer in topic.writers]
    receives = [
        (
            f"{group}-receives-{topic.name}",
            {
                "action": "receive",
                "channel": channel,
                "summary": why,
                "bindings": {"kafka": {"groupId": {"type": "string", "enum": [group]}, "bindingVersion": "0.5.0"}},
            },
        )
        for group, why in topic.readers.items()
    ]
    follows = [(f"{name}-follows-{topic.name}", {"action": "receive", "channel": channel}) for name in topic.followers]
    return [*sends, *receives, *follows]


def _message(message: Message) -> dict[str, Any]:
    specific = _HEADERS_OF_COMMANDS if message.is_command else _HEADERS_OF_EVENTS
    return {
        "name": message.name,
        "title": message.ce_type,
        "summary": (message.model.__doc__ or "").strip().splitlines()[0],
        "contentType": "application/json",
        "headers": {
            "type": "object",
            "properties": {name: {"type": "string", "description": why} for name, why in (*_HEADERS_OF_ALL, *specific)},
        },
        "payload": _payload(message),
    }


def _payload(message: Message) -> dict[str, Any]:
    kind = "command" if message.is_command else "event"
    properties: dict[str, Any] = {
        f"{kind}Id": {"type": "string", "format": "uuid"},
        f"{kind}Type": {"const": message.name},
        "timestamp": {"type": "string", "format": "date-time"},
        "data": {"$ref": _SCHEMAS.format(model=message.model.__name__)},
    }
    if kind == "event":
        properties["sequence"] = {"type": "integer", "minimum": 1, "description": "gap-free within the aggregate"}
    if message.topic == "auction-events":
        properties["previousPublicSequence"] = {"type": "integer", "minimum": 0}
    return {"type": "object", "properties": properties, "required": [name for name in properties if name[0] != "p"]}
