"""By what two sendings of one task are recognised as the same (protocol 1.3, 2.2)."""

import orjson

from actalog_contracts.tasks import TaskSubmit
from actalog_core.canonical import keyed_digest

# What may differ between two sendings of one task.
NOT_THE_BODY = {"deadline", "priority", "reply_to", "correlation_id", "run_id", "type"}


def body_digest(task: TaskSubmit, *, key: bytes) -> str:
    """By which another body under a known id is recognised. `key` is the installation's."""
    body = task.model_dump(mode="json", exclude=NOT_THE_BODY)
    return keyed_digest(key, orjson.dumps(body, option=orjson.OPT_SORT_KEYS))
