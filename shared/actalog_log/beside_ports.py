"""What lies beside the log, as services see it: inbox, tombstones, held text, definitions, blobs."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime
from typing import NamedTuple, Protocol

from actalog_core.values import frozen


@frozen
class Held:
    """Unchecked text beside the log (protocol 9)."""

    tenant_id: str
    held_id: str
    run_no: int
    text: str


@frozen
class InboxRow:
    tenant_id: str
    inbox_id: str  # the run id of a task; else an id of the message
    body: bytes  # the message, JSON
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    received_at: datetime | None = None
    tries: int = 0  # hearings of it that came to no end, as far as is known


@frozen
class Tombstone:
    """A cancel that came before its run (protocol 2.3)."""

    tenant_id: str
    run_id: str
    reason: str | None
    by: str | None


class FoundSession(NamedTuple):
    """`first` and `last`: when runs of it were accepted; user and target are its first run's."""

    session_id: str
    first: datetime
    last: datetime
    user_id: str | None
    target: str


class BesideLog(Protocol):
    """A part of `RunLog`."""

    # --- inbox, tombstones, held text

    async def put_inbox(self, row: InboxRow) -> bool:
        """False when (tenant, id) is there already. When it returns the message is accepted."""
        ...

    async def get_inbox(self, tenant_id: str, inbox_id: str) -> InboxRow | None: ...
    async def drop_inbox(self, tenant_id: str, inbox_id: str) -> None: ...

    async def due_inbox(self, older_than: datetime, limit: int) -> Sequence[InboxRow]:
        """Rows received before that time, the oldest first; each once in about two seconds."""
        ...

    async def try_inbox(self, tenant_id: str, inbox_id: str, by: int = 1) -> int:
        """Count a hearing that begins, where it survives who hears; how many have begun."""
        ...

    async def inbox_depth(self) -> int: ...

    async def inbox_depths(self) -> Mapping[str, int]:
        """Rows by tenant; tenants without one are left out."""
        ...

    async def put_tombstone(self, tombstone: Tombstone) -> None:
        """Keep it for a day; the first one of a run counts."""
        ...

    async def get_tombstone(self, tenant_id: str, run_id: str) -> Tombstone | None: ...

    async def get_held(self, tenant_id: str, held_id: str) -> str | None: ...

    async def put_held(self, held: Held) -> None:
        """Keep it as long as its run is open; for one that has left `open_runs`, not at all."""
        ...

    # --- definitions and blobs

    async def put_definition(self, digest: str, kind: str, id: str, body: bytes) -> bool:
        """Register a definition and make it the current one of its (kind, id). False: it was."""
        ...

    async def get_definition(self, digest: str) -> bytes | None: ...

    async def current_definition(self, kind: str, id: str) -> tuple[str, bytes] | None:
        """(digest, body)."""
        ...

    async def current_definitions(self) -> Sequence[tuple[str, str, str, bytes]]:
        """(kind, id, digest, body) of all current ones."""
        ...

    async def put_blob(
        self, tenant_id: str, blob_id: str, media_type: str, data: bytes
    ) -> None: ...

    async def get_blob(self, tenant_id: str, blob_id: str) -> tuple[str, bytes] | None:
        """(media type, bytes)."""
        ...

    async def has_blob(self, tenant_id: str, blob_id: str) -> bool:
        """Whether it is there; its bytes may be many."""
        ...

    async def installation_key(self) -> bytes:
        """The installation's key for digests of outside content (protocol 1.3)."""
        ...
