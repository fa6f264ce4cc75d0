"""One call as it crosses to a worker, and what comes back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from actalog_core.calling import CALLING, Calling
from actalog_core.session_state import read_ops
from actalog_tools.isolated.addresses import Address
from actalog_tools.results import FarError
from actalog_tools.run_context import RunContext, Special
from actalog_tools.running import Ran

# Of JSON, at its worst: a character outside the basic plane as two escapes.
MOST_BYTES_OF_A_CHARACTER = 12
BESIDE_TEXT = 4_000_000  # state operations at their most, and the rest of an answer


@dataclass(frozen=True)
class Ask:
    """What a worker needs to know of one call."""

    address: Address
    arguments: str
    special: Special
    limit: int
    memory_mb: int

    def frame(self) -> dict[str, Any]:
        """As JSON."""
        calling = CALLING.get()
        return {
            "module": self.address.module, "name": self.address.name, "path": self.address.path,
            "arguments": self.arguments, "limit": self.limit, "memory_mb": self.memory_mb,
            "special": _written(self.special.values), "before": dict(self.special.before),
            "calling": [calling.tenant_id, calling.run_id, calling.session_id] if calling else None,
        }  # fmt: skip

    def most_bytes(self) -> int:
        """Of an answer. The worker cuts what is longer; this is for what is no answer of it."""
        return self.limit * MOST_BYTES_OF_A_CHARACTER + BESIDE_TEXT


def answered(said: Mapping[str, Any]) -> Ran:
    """What a worker told.

    Raises:
        KeyError, TypeError, ValueError: it is none of its answers.
    """
    if said["how"] == "returned":
        return Ran("returned", text=said["text"], whole=said["whole"], ops=read_ops(said["ops"]))
    error = FarError(said["name"], said["said"], said["at"])
    return Ran("raised", error=error, kind=said["kind"])


def _written(values: Mapping[str, Any]) -> dict[str, Any]:
    written = dict(values)
    if isinstance(context := written.get("run_context"), RunContext):
        written["run_context"] = {
            name: getattr(context, name) for name in vars(context) if name != "session_state"
        }
    return written


def read(asked: Mapping[str, Any]) -> Special:
    """In the worker: what the callable may ask for by name."""
    values: dict[str, Any] = dict(asked["special"])
    if "run_context" in values:
        values["run_context"] = RunContext(
            **values["run_context"], session_state=values["session_state"]
        )
    return Special(values, asked["before"])


def calling(asked: Mapping[str, Any]) -> Calling | None:
    """In the worker: whose call it is."""
    return Calling(*asked["calling"]) if asked["calling"] else None
