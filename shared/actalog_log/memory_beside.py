"""What lies beside the log, in memory: inbox, tombstones, held text, definitions, blobs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from actalog_core.clock import Clock
from actalog_log.beside_ports import Held, InboxRow, Tombstone
from actalog_log.memory_calls import ASKED_S


class MemoryBeside:
    """A part of `MemoryLog`."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.inbox: dict[tuple[str, str], InboxRow] = {}
        self.inbox_asked: dict[tuple[str, str], datetime] = {}
        self.tombstones: dict[tuple[str, str], tuple[Tombstone, datetime]] = {}
        self.held: dict[tuple[str, str], str] = {}
        self.held_by: dict[int, set[tuple[str, str]]] = {}
        self.definitions: dict[str, tuple[str, str, bytes]] = {}
        self.current: dict[tuple[str, str], str] = {}
        self.blobs: dict[tuple[str, str], tuple[str, bytes]] = {}

    # --- inbox, tombstones, held text

    async def put_inbox(self, row: InboxRow) -> bool:
        key = (row.tenant_id, row.inbox_id)
        if key in self.inbox:
            return False
        self.inbox[key] = replace(row, received_at=self.clock(), tries=0)
        return True

    async def get_inbox(self, tenant_id: str, inbox_id: str) -> InboxRow | None:
        return self.inbox.get((tenant_id, inbox_id))

    async def drop_inbox(self, tenant_id: str, inbox_id: str) -> None:
        self._drop((tenant_id, inbox_id))

    def _drop(self, key: tuple[str, str]) -> None:
        self.inbox.pop(key, None)
        self.inbox_asked.pop(key, None)

    async def due_inbox(self, older_than: datetime, limit: int) -> Sequence[InboxRow]:
        rows = self._due_inbox(older_than)[:limit]
        for row in rows:
            key = (row.tenant_id, row.inbox_id)
            self.inbox_asked[key] = older_than + timedelta(seconds=ASKED_S)
        return rows

    def _due_inbox(self, older_than: datetime) -> list[InboxRow]:
        return [
            row
            for key, row in self.inbox.items()
            if row.received_at
            and row.received_at < older_than
            and self.inbox_asked.get(key, older_than - timedelta(1)) < older_than
        ]

    async def try_inbox(self, tenant_id: str, inbox_id: str, by: int = 1) -> int:
        key = (tenant_id, inbox_id)
        if (row := self.inbox.get(key)) is None:
            return 0
        self.inbox[key] = replace(row, tries=row.tries + by)
        return row.tries + by

    async def inbox_depth(self) -> int:
        return len(self.inbox)

    async def inbox_depths(self) -> Mapping[str, int]:
        return Counter(tenant_id for tenant_id, _ in self.inbox)

    async def put_tombstone(self, tombstone: Tombstone) -> None:
        now, day = self.clock(), timedelta(days=1)
        self.tombstones = {
            n: (one, at) for n, (one, at) in self.tombstones.items() if now < at + day
        }
        self.tombstones.setdefault((tombstone.tenant_id, tombstone.run_id), (tombstone, now))

    async def get_tombstone(self, tenant_id: str, run_id: str) -> Tombstone | None:
        one, at = self.tombstones.get((tenant_id, run_id), (None, self.clock()))
        return one if self.clock() < at + timedelta(days=1) else None

    async def get_held(self, tenant_id: str, held_id: str) -> str | None:
        return self.held.get((tenant_id, held_id))

    def _hold(self, held: Held) -> None:
        key = (held.tenant_id, held.held_id)
        self.held.setdefault(key, held.text)
        self.held_by.setdefault(held.run_no, set()).add(key)

    # --- definitions and blobs

    async def put_definition(self, digest: str, kind: str, id: str, body: bytes) -> bool:
        self.definitions.setdefault(digest, (kind, id, body))
        changed = self.current.get((kind, id)) != digest
        self.current[kind, id] = digest
        return changed

    async def get_definition(self, digest: str) -> bytes | None:
        found = self.definitions.get(digest)
        return found[2] if found else None

    async def current_definition(self, kind: str, id: str) -> tuple[str, bytes] | None:
        digest = self.current.get((kind, id))
        return None if digest is None else (digest, self.definitions[digest][2])

    async def current_definitions(self) -> Sequence[tuple[str, str, str, bytes]]:
        every = sorted(self.current.items())
        return [(kind, id, digest, self.definitions[digest][2]) for (kind, id), digest in every]

    async def put_blob(self, tenant_id: str, blob_id: str, media_type: str, data: bytes) -> None:
        self.blobs.setdefault((tenant_id, blob_id), (media_type, data))

    async def get_blob(self, tenant_id: str, blob_id: str) -> tuple[str, bytes] | None:
        return self.blobs.get((tenant_id, blob_id))

    async def has_blob(self, tenant_id: str, blob_id: str) -> bool:
        return (tenant_id, blob_id) in self.blobs

    async def installation_key(self) -> bytes:
        return b"a log in memory is kept by nobody"
