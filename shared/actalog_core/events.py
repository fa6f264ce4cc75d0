"""Run events as the log keeps them: canonical bytes without the type, which is a column."""

from functools import cache

import orjson
from pydantic import TypeAdapter, ValidationError

from actalog_contracts.runs import AnyRunEvent, RunEvent
from actalog_core.canonical import canonical
from actalog_core.errors import Undecodable

RULES_VERSION = 1
"""Version of deciders, renderer and rule packs. 1: the first."""


@cache
def _adapter() -> TypeAdapter[RunEvent]:
    return TypeAdapter(AnyRunEvent)


def encode(event: RunEvent) -> tuple[str, bytes]:
    """(type, payload). Fields that are None are left out, so that a new optional field does not
    change the bytes of old events.

    Raises:
        TypeError: the event holds what has no canonical form (floats, lone surrogates).
    """
    told = event.model_dump(mode="json", exclude_none=True)
    kind = told.pop("type")
    return kind, canonical(told)


def decode(kind: str, payload: bytes) -> RunEvent:
    """The event that was stored. Unknown fields are ignored: a newer build may have added them.

    Raises:
        Undecodable: the type is unknown to this build, or the payload is not of its shape.
    """
    try:
        return _adapter().validate_python({**orjson.loads(payload), "type": kind})
    except (ValidationError, orjson.JSONDecodeError) as error:
        raise Undecodable(f"{kind}: {error}") from error
