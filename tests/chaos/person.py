"""Somebody who looks doubtful calls up, where their effects would be, and answers."""

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import httpx

from tests.chaos.load import requirements

LOOKS_EVERY_S = 0.5
# Whoever still works on a call that is in doubt has finished by then: tools take half a second.
WAITS_S = 2.0


def effects(journal: Path) -> list[dict[str, Any]]:
    """What tools wrote down outside."""
    return [json.loads(line) for line in journal.read_text().splitlines()]


class Person:
    """`quiet` tells whether no process is stopped now: a stopped one may still act."""

    def __init__(
        self, journal: Path, gateways: Callable[[], list[int]], quiet: Callable[[], bool]
    ) -> None:
        self.journal, self.gateways, self.quiet = journal, gateways, quiet
        self.seen: dict[str, float] = {}  # by requirement, when it was first seen
        self.answered: dict[str, str] = {}
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._client = httpx.AsyncClient(timeout=5)
        self._task = asyncio.create_task(self._look())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        (said,) = await asyncio.gather(self._task, return_exceptions=True)
        await self._client.aclose()
        if said is not None and not isinstance(said, asyncio.CancelledError):
            raise said  # who looks no more answers nothing

    async def _look(self) -> None:
        quiet_since = time.monotonic()
        while True:
            await asyncio.sleep(LOOKS_EVERY_S)
            now = time.monotonic()
            quiet_since = quiet_since if self.quiet() else now
            for port in self.gateways():
                try:
                    open = await requirements(self._client, port)
                    for one in open:
                        name = f"{one['run_id']} {one['id']}"
                        since = max(self.seen.setdefault(name, now), quiet_since)
                        if now - since >= WAITS_S:
                            await self._answer(port, name, one)
                except httpx.HTTPError:
                    continue
                break

    async def _answer(self, port: int, name: str, one: dict[str, Any]) -> None:
        assert one["kind"] == "in_doubt", one
        token = one["tool_call"]["arguments"]["token"]
        acted = any(told["token"] == token for told in effects(self.journal))
        decision = self.answered.setdefault(name, "done" if acted else "not_done")
        answer = {"decision": decision, "digest": one["tool_call"]["digest"], "by": "ann"}
        where = f"http://127.0.0.1:{port}/v1/runs/{one['run_id']}/requirements/{one['id']}"
        said = await self._client.post(
            where, json=answer | ({"result": f"paid {token}"} if acted else {})
        )
        assert said.status_code in (202, 404, 409, 503), said.text
