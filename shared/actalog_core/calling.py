"""Which run a callable of the author is part of: known inside of it, and in what it starts."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Calling:
    """The run that waits for the callable."""

    tenant_id: str
    run_id: str
    session_id: str


CALLING: ContextVar[Calling | None] = ContextVar("actalog_calling", default=None)
