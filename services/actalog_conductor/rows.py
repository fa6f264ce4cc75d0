"""Which rows of the inbox may be heard at once."""

import asyncio
from collections.abc import Coroutine, Iterable, Sequence

import orjson

from actalog_log.beside_ports import InboxRow


def lanes(rows: Iterable[InboxRow]) -> list[list[InboxRow]]:
    """Rows of a session one after the other, as they were accepted, and sessions side by side."""
    told: dict[tuple[str, str], list[InboxRow]] = {}
    for row in rows:
        told.setdefault((row.tenant_id, _session(row) or row.inbox_id), []).append(row)
    return list(told.values())


def _session(row: InboxRow) -> str | None:
    try:
        said = orjson.loads(row.body)["session_id"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return said if isinstance(said, str) else None


async def at_once(works: Iterable[Coroutine[object, object, None]]) -> None:
    """All of them, to their ends; then the first failure is raised."""
    ended: Sequence[BaseException | None] = await asyncio.gather(*works, return_exceptions=True)
    for one in ended:
        if one is not None:
            raise one
