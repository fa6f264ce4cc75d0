"""The AsyncAPI 3 document, from the table of topics."""

import json
from collections.abc import Mapping
from typing import Any

from actalog_contracts import topics
from actalog_contracts.catalogue import Entry
from actalog_contracts.published import type_of
from actalog_contracts.schemas import schema_of
from actalog_contracts.topics import Topic

OUTSIDE = "other systems"
SCHEMA_FORMAT = "application/schema+json;version=draft-2020-12"
KEYS = {
    "session": "The session id; it may be left out, which costs warmth and nothing else.",
    "run": "The run id.",
    "call": "The call id: calls of one turn run side by side.",
    "log": "The id of the log.",
}
HEADERS = {
    "ce_specversion": "1.0", "ce_id": "The message's id; a repeat carries the same.",
    "ce_type": "The same as `type` in the body.", "ce_source": "Names the tenant and the sender.",
    "ce_subject": "The run id.", "ce_time": "RFC 3339, UTC.",
    "ce_dataschema": "Where the schema is, at the gateway: its path is /schemas/{type}.json.",
    "ce_correlationid": "As the task gave it.", "ce_causationid": "The message that caused it, if one did.",
    "traceparent": "W3C trace context.", "content-type": "application/json",
}  # fmt: skip
DEAD = {
    "dlq-reason": "refused, permanent, unexpected, or killed (its worker, three times).",
    "dlq-error": "What went wrong.",
    "dlq-source-topic": "Where it came from: where it lay first, if it was redriven.",
    "dlq-source-partition": "", "dlq-source-offset": "",
    "dlq-source-timestamp": "The broker's, in ms.", "dlq-attempts": "How often it was heard.",
    "dlq-cut-from-bytes": "Only if it was too large to be kept whole: its length.",
    "redrive-origin": "Only if it was redriven: where it lay first.",
    "redrive-from": "The dead letter it came from.", "redrive-by": "Who.", "redrive-at": "When.",
    "redrive-count": "How often.",
}  # fmt: skip


def document(entries: Mapping[str, Entry], examples: Mapping[str, Any]) -> dict[str, Any]:
    """The whole document. Operations are the platform's: it receives tasks and sends results."""
    channels = {topic.name: _channel(topic, entries) for topic in topics.TOPICS}
    dead = {
        topic.name + topics.DLQ_SUFFIX: _dead_channel(topic)
        for topic in topics.TOPICS
        if topic.dead_letters
    }
    messages = {e.type: _message(e, examples) for e in entries.values() if e.topics}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Actalog", "version": "1",
            "description": "Tasks in, results and an audit feed out. Consumers ignore unknown"
            " fields; what is sent to the platform must not have any. Addresses have the default"
            " prefix; ACTALOG_TOPIC_PREFIX changes it.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": channels | dead | {topics.CHECKPOINTS: _checkpoints()},
        "operations": {n: op for topic in topics.TOPICS for n, op in _operations(topic).items()},
        "components": {
            "messages": messages | {"dead.letter": _dead_letter()},
            "messageTraits": {"cloudEvent": {"headers": _headers(HEADERS)}},
        },
    }  # fmt: skip


def types_on(topic: Topic, entries: Mapping[str, Entry]) -> list[str]:
    """The types of the messages that a topic carries."""
    return [entry.type for entry in entries.values() if topic in entry.topics]


def _channel(topic: Topic, entries: Mapping[str, Entry]) -> dict[str, Any]:
    return {
        "address": topics.full_name(topic),
        "description": topic.description,
        "messages": {
            kind: {"$ref": f"#/components/messages/{kind}"} for kind in types_on(topic, entries)
        },
        "bindings": _kafka(topic.retention_ms),
        "x-key": topic.key,
        "x-partitions": topic.partitions,
        "x-producers": list(topic.producers),
        "x-consumers": list(topic.consumers),
    }


def _dead_channel(topic: Topic) -> dict[str, Any]:
    return {
        "address": topics.dlq_name(topic),
        "description": f"Dead letters of {topics.full_name(topic)}: the raw bytes, and why.",
        "messages": {"dead.letter": {"$ref": "#/components/messages/dead.letter"}},
        "x-key": "that of the original",
    }


def _checkpoints() -> dict[str, Any]:
    return {
        "address": f"actalog.{topics.CHECKPOINTS}",
        "description": "Signed heads of the log; kept for ever.",
        "bindings": _kafka(-1),
        "x-key": "log",
    }


def _kafka(retention_ms: int) -> dict[str, Any]:
    configuration = {"cleanup.policy": ["delete"], "retention.ms": retention_ms}
    return {"kafka": {"topicConfiguration": configuration, "bindingVersion": "0.5.0"}}


def _operations(topic: Topic) -> dict[str, Any]:
    channel = {"$ref": f"#/channels/{topic.name.replace('/', '~1')}"}
    told = {
        f"receive.{topic.name}": ("receive", topic.consumers),
        f"send.{topic.name}": ("send", topic.producers),
    }
    return {
        name: {"action": action, "channel": channel}
        for name, (action, who) in told.items()
        if any(one != OUTSIDE for one in who)
    }


def _message(entry: Entry, examples: Mapping[str, Any]) -> dict[str, Any]:
    told = [
        {"name": name, "payload": example}
        for name, example in examples.items()
        if type_of(name) == entry.type
    ]
    said = str(entry.model.__doc__ or "").strip().partition("\n\n")[0]
    return {
        "name": entry.type,
        "title": entry.model.__name__,
        "summary": " ".join(said.split()),
        "contentType": "application/json",
        "traits": [{"$ref": "#/components/messageTraits/cloudEvent"}],
        "payload": {"schemaFormat": SCHEMA_FORMAT, "schema": _within(entry)},
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": KEYS[entry.topics[0].key]},
                "bindingVersion": "0.5.0",
            }
        },
        "examples": told,
    }


def _within(entry: Entry) -> dict[str, Any]:
    """The schema as a part of this document, which is whole: who has one file has everything. A
    reference begins at the document's root, whatever `$id` a part of it has."""
    at = f"#/components/messages/{entry.type}/payload/schema/$defs/"
    schema = {name: told for name, told in schema_of(entry).items() if name != "$id"}
    whole: dict[str, Any] = json.loads(
        json.dumps(schema).replace('"$ref": "#/$defs/', f'"$ref": "{at}')
    )
    return whole


def _dead_letter() -> dict[str, Any]:
    return {
        "name": "dead.letter",
        "summary": "A record that was given up, with the original headers beside these.",
        "contentType": "application/octet-stream",
        "headers": _headers(DEAD),
        "payload": {"type": "string", "format": "binary"},
    }


def _headers(told: Mapping[str, str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            name: {"type": "string", **({"description": text} if text else {})}
            for name, text in told.items()
        },
    }
