"""What people wait for: the first token through the platform beside a direct call; idle clients."""

import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp

from tests.benchmarks import floors
from tests.benchmarks.load import Load
from tests.benchmarks.rig import platform, resident_mib

TIMES = 100
COLD = 100  # runs: servers that were just started have not compiled and cached what they need
CLIENTS = 500


async def stream() -> dict[str, dict[str, float]]:
    """First token over HTTP: of the model server itself, and of the platform before it."""
    async with platform("apache") as rig, aiohttp.ClientSession() as http:
        asked = {"model": "scripted", "stream": True, "messages": _messages()}
        direct = [await _first(http, f"{rig.base_url}/v1/chat/completions", json=asked)
                  for _ in range(TIMES)]  # fmt: skip
        ours = [await _first(http, f"{rig.http}/agents/plain/runs", data=_form())
                for _ in range(COLD + TIMES)][COLD:]  # fmt: skip
        hop = await floors.hop_ms(rig.kafka, fetch_wait_ms=500, idempotence=True)
        insert = await floors.durable_insert_ms(rig.dsn)
        pace_s = statistics.median(ours) / 4_000  # about as often as a run alone takes a step
        paced_hop = await floors.hop_ms(
            rig.kafka, fetch_wait_ms=500, idempotence=True, pause_s=pace_s
        )
        paced_insert = await floors.durable_insert_ms(rig.dsn, pause_s=pace_s)
        held_kib = await _idle_clients(rig.http, rig.kafka, rig.pid)
    added = statistics.median(ours[10:]) - statistics.median(direct[10:])
    return {
        "floors": {
            "hop_ms": hop, "insert_ms": insert,
            "paced_hop_ms": paced_hop, "paced_insert_ms": paced_insert,
        },
        "first token": {
            "direct_p50_ms": statistics.median(direct[10:]),
            "platform_p50_ms": statistics.median(ours[10:]), "added_ms": added,
            "goal_added_ms": 4 * hop + 2 * insert + 2,
            "goal_by_paced_floors_ms": 4 * paced_hop + 2 * paced_insert + 2,
        },
        f"{CLIENTS} idle SSE clients": {"kib_each": held_kib},
    }  # fmt: skip


def _messages() -> list[dict[str, str]]:
    return [{"role": "system", "content": "Answer."}, {"role": "user", "content": "hello"}]


def _form() -> Mapping[str, str]:
    return {"message": "hello", "stream": "true"}


async def _first(http: aiohttp.ClientSession, url: str, **asked: Any) -> float:
    """Milliseconds until the first piece of the answer."""
    began, first = time.perf_counter(), 0.0
    async with http.post(url, **asked) as response:
        response.raise_for_status()
        async for data in _data(response):
            if not first and _says_something(data):
                first = (time.perf_counter() - began) * 1000
    return first


async def _data(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    async for line in response.content:
        if line.startswith(b"data: {"):
            yield line[6:]


def _says_something(data: bytes) -> bool:
    told = json.loads(data)
    if "choices" in told:
        return any(choice["delta"].get("content") for choice in told["choices"])
    return told.get("event") == "RunContent" and bool(told.get("content"))


async def _idle_clients(url: str, kafka: str, pid: int) -> float:
    """KiB of the platform's memory for each client that follows a run which waits for a person."""
    async with Load(kafka) as load:
        result, _ = await load.run("agent:asking", "number 7")
    follow = f"{url}/v1/runs/{result['run_id']}/events"
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, read_bufsize=2**12) as http:
        few = [await http.get(follow) for _ in range(20)]
        await asyncio.sleep(1)
        before = resident_mib(pid)
        more = [await http.get(follow) for _ in range(CLIENTS)]
        await asyncio.sleep(2)
        held = resident_mib(pid) - before
        for one in (*few, *more):
            one.close()
    return held * 1024 / CLIENTS
