"""Definitions in the log: registered under a content hash, and what that changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from actalog.definitions import encode
from actalog_contracts.definitions import Definition
from actalog_core import crashpoints
from actalog_log.ports import RunLog


@dataclass(frozen=True, slots=True)
class Change:
    """What deploying a definition did. `target` is `agent:<id>`."""

    target: str
    digest: str
    what: Literal["new", "changed", "unchanged"]


async def register(log: RunLog, definitions: Sequence[Definition]) -> list[Change]:
    """Make these the current definitions of their ids. Runs keep the one they started with."""
    changes: list[Change] = []
    for definition in definitions:
        kind = definition.type.partition(".")[0]
        digest, body = encode(definition)
        current = await log.current_definition(kind, definition.id)
        if current is not None and current[0] == digest:
            what = "unchanged"
        else:
            await log.put_definition(digest, kind, definition.id, body)
            if crashpoints.armed:
                crashpoints.reach("deploy.registered")
            what = "new" if current is None else "changed"
        changes.append(Change(f"{kind}:{definition.id}", digest, what))
    return changes
