"""An event of the log, out of what was published of it."""

from functools import cache
from typing import get_args

from pydantic import TypeAdapter

from actalog_contracts.runs import AnyRunEvent, RunEvent
from actalog_contracts.tasks import PublishedEvent

_KNOWN = frozenset(kind.model_fields["type"].default for kind in get_args(RunEvent))


@cache
def _adapter() -> TypeAdapter[RunEvent]:
    return TypeAdapter(AnyRunEvent)


def read(published: PublishedEvent) -> RunEvent | None:
    """None where it is of a type that a newer build has added."""
    if published.type not in _KNOWN:
        return None
    return _adapter().validate_python({**published.payload, "type": published.type})
