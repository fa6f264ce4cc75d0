"""Clients of a gateway that dies: they come again until they are answered."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import aiohttp

from tests.chaos.cell_place import Place

AGAIN_S = 0.1
GONE = (aiohttp.ClientError, ConnectionError, TimeoutError)


def address(place: Place, path: str) -> str:
    """The gateway's that is there now."""
    return f"http://127.0.0.1:{place.fleet.http['gateway-0']}{path}"


async def post(
    place: Place, path: str, body: Mapping[str, object], headers: Mapping[str, str] | None = None
) -> tuple[int, dict[str, Any]]:
    """(status, JSON) of the first answer that comes."""
    timeout = aiohttp.ClientTimeout(total=30)
    while True:
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(address(place, path), json=dict(body), headers=headers) as said,
            ):
                return said.status, await said.json()
        except GONE:
            await asyncio.sleep(AGAIN_S)


class Reader:
    """Follows a run over all gateways that there are one after the other; `seqs` of the events as
    they were told, once for each time."""

    def __init__(self, place: Place, run_id: str) -> None:
        self.place, self.run_id = place, run_id
        self.seqs: list[int] = []
        self.connections = 0
        self._last: str | None = None
        self._ended = False

    async def read(self) -> None:
        """To the run's last event."""
        while not self._ended:
            try:
                await self._connected()
            except GONE:
                await asyncio.sleep(AGAIN_S)

    async def _connected(self) -> None:
        headers = {"Last-Event-ID": self._last} if self._last else {}
        path = f"/v1/runs/{self.run_id}/events"
        async with (
            aiohttp.ClientSession() as session,
            session.get(address(self.place, path), headers=headers) as said,
        ):
            self.connections += 1
            if said.status == 204:
                self._ended = True
                return
            assert said.status == 200, await said.text()
            frame: dict[str, str] = {}
            async for line in said.content:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name:
                    frame[name] = value
                elif frame:
                    self._heard(frame)
                    frame = {}

    def _heard(self, frame: Mapping[str, str]) -> None:
        if "id" in frame:
            self._last = frame["id"]
            told = json.loads(frame["data"])
            self.seqs.append(told["seq"])
            self._ended = told["type"] == "run.completed.v1"
