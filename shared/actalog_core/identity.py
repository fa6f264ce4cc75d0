"""By what two sendings of one task are recognised as the same (protocol 1.2, 1.3, 2.2)."""

import uuid

import orjson

from actalog_contracts.tasks import TaskSubmit
from actalog_core.canonical import keyed_digest

# What may differ between two sendings of one task.
NOT_THE_BODY = {"deadline", "priority", "reply_to", "correlation_id", "run_id", "type"}


def body_digest(task: TaskSubmit, *, key: bytes) -> str:
    """By which another body under a known id is recognised. `key` is the installation's."""
    body = task.model_dump(mode="json", exclude=NOT_THE_BODY)
    return keyed_digest(key, orjson.dumps(body, option=orjson.OPT_SORT_KEYS))


def run_id_from(told: object, *, key: bytes) -> str:
    """The id of a task's run, made of what names the task: whoever sees that again gives the same
    id to it, and nobody else can know it."""
    digest = keyed_digest(key, orjson.dumps(told)).removeprefix("hmac:")
    return str(uuid.UUID(digest[:32]))


def event_run_id(tenant_id: str, source: str, id: str, *, key: bytes) -> str:
    """Of a task in a CloudEvent, whose source and id name it wherever it is sent."""
    return run_id_from([tenant_id, source, id], key=key)
