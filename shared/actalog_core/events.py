"""Run events as the log keeps them: canonical bytes without the type, which is a column."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar

import orjson
from pydantic import TypeAdapter, ValidationError

from actalog_contracts.runs import AnyRunEvent, RunEvent
from actalog_core.canonical import canonical
from actalog_core.errors import NewerBuild, Undecodable
from actalog_core.misfits import misfit

RULES_VERSION = 7
"""Version of deciders, renderer and rule packs. 1: the first. 2: a call in doubt pauses its run
and a person decides; before, it ended the run. 3: of a model's call that is answered, what another
attempt has cost is recorded. 4: a structured answer with NaN, half a surrogate pair or more than 100
levels is no JSON and fails its run; before, such a run completed, and its result never came. 5: calls whose arguments no message can carry fail,
and the model is told; before, such a run stood still until its deadline. 6: a structured answer with
an integer beyond 64 bits fails its run; before, its result had another number. 7: what a model says to
be remembered is reviewed where its answers are; before, it was remembered as it came."""


Upcaster = Callable[[Mapping[str, Any]], tuple[str, Mapping[str, Any]]]

UPCASTERS: Mapping[str, Upcaster] = {}
"""By an old type: what makes the next version of its payload. A type that was ever written is
either one of today's or stands here; the log keeps what was written, for ever."""


@cache
def _adapter() -> TypeAdapter[RunEvent]:
    return TypeAdapter(AnyRunEvent)


@cache
def known_types() -> frozenset[str]:
    """The types of event that this build writes."""
    members = RunEvent.__args__
    return frozenset(member.model_fields["type"].default for member in members)


_same: dict[int, tuple[RunEvent, tuple[str, bytes] | None]] = {}
"""By its identity, an event that says the same in every run, and what it is encoded to."""

E = TypeVar("E", bound=RunEvent)


def same(event: E) -> E:
    """The event, of which this one object stands for all: it is encoded once."""
    _same[id(event)] = event, None
    return event


def encode(event: RunEvent) -> tuple[str, bytes]:
    """(type, payload). Fields that are None are left out, so that a new optional field does not
    change the bytes of old events.

    Raises:
        TypeError: the event holds what has no canonical form (floats, lone surrogates).
    """
    known = _same.get(id(event))
    if known is None:
        return _encoded(event)
    if known[1] is None:
        known = _same[id(event)] = event, _encoded(event)
    assert known[1] is not None
    return known[1]


def _encoded(event: RunEvent) -> tuple[str, bytes]:
    told = event.model_dump(mode="json", exclude_none=True)
    kind = told.pop("type")
    return kind, canonical(told)


def decode(kind: str, payload: bytes) -> RunEvent:
    """The event that was stored. Unknown fields are ignored: a newer build may have added them.

    Raises:
        NewerBuild: this build does not know the type.
        Undecodable: the payload is not of its shape.
    """
    try:
        told: Mapping[str, Any] = orjson.loads(payload)
        while (upcast := UPCASTERS.get(kind)) is not None:
            kind, told = upcast(told)
        if kind not in known_types():
            raise NewerBuild(kind)
        return _adapter().validate_python({**told, "type": kind})
    except orjson.JSONDecodeError as error:
        raise Undecodable(f"{kind}: {error.msg}") from None
    except ValidationError as error:
        raise misfit(kind, error) from None


def written_by_newer(kind: str) -> bool:
    """Whether an event that a reader passes over is unknown to this build altogether: it may be
    one that the reader should have heard."""
    return kind not in known_types() and kind not in UPCASTERS
