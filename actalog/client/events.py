"""An event of the log, out of what was published of it."""

import logging
from functools import cache
from typing import get_args

from pydantic import TypeAdapter

from actalog_contracts.runs import AnyRunEvent, RunEvent
from actalog_contracts.tasks import PublishedEvent

log = logging.getLogger("actalog")

_KNOWN = frozenset(kind.model_fields["type"].default for kind in get_args(RunEvent))


@cache
def _adapter() -> TypeAdapter[RunEvent]:
    return TypeAdapter(AnyRunEvent)


def read(published: PublishedEvent) -> RunEvent | None:
    """None where it is of a type that a newer build has added, or too large to be published."""
    if (ref := published.payload_ref) is not None:
        said = (published.run_id, published.type, ref.bytes, ref.url)
        log.warning("run %s: %s has %d bytes, and is at %s", *said)
        return None
    if published.type not in _KNOWN:
        return None
    return _adapter().validate_python({**published.payload, "type": published.type})
