"""`make up` in earnest: the image, every service and every server in a container of its own."""

import asyncio
import json
import uuid
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from actalog.names import NAMES
from tests.acceptance.outside import Outside
from tests.compose.composed import ROOT, Composition, missing

SERVERS = ("kafka", "postgres", "weaviate", "prometheus")
ONE_SHOT = ("logins", "migrate", "topics", "deploy")
TASKS = ROOT / "actalog/examples/support_desk/tasks.jsonl"

pytestmark = [pytest.mark.compose, pytest.mark.timeout(600)]


@pytest.fixture(scope="module", name="composed")
def composition() -> Iterator[Composition]:
    if why := missing():
        pytest.skip(why)
    made = Composition()
    try:
        made.up()
        yield made
    finally:
        made.remove()


def tasks() -> dict[str, dict[str, Any]]:
    """The example's tasks by the run they get, in sessions that nobody had yet."""
    mark = uuid.uuid4().hex[:8]
    told = [json.loads(line) for line in TASKS.read_text().splitlines()]
    return {
        f"{mark}-{number}": {
            **one, "run_id": f"{mark}-{number}", "session_id": f"{mark}-{one.get('session_id', number)}",
        }
        for number, one in enumerate(told)
    }  # fmt: skip


async def completed(composed: Composition, sent: dict[str, dict[str, Any]]) -> None:
    """Publish these tasks and hold a completed result of each."""
    async with Outside(composed.bootstrap) as outside:
        for task in sent.values():
            await outside.send(task)
        results = await outside.wait_for(set(sent), within_s=120)
    assert {one["status"] for one in results.values()} == {"completed"}


def test_all_are_healthy_and_what_runs_once_has_ended_well(composed: Composition):
    seen = composed.seen()
    for name in (*NAMES, *SERVERS):
        assert (seen[f"{name}-1"].state, seen[f"{name}-1"].health) == ("running", "healthy"), name
    for name in ONE_SHOT:
        assert (seen[f"{name}-1"].state, seen[f"{name}-1"].exit_code) == ("exited", 0), name


async def test_tasks_that_this_machine_publishes_are_completed(composed: Composition):
    await completed(composed, tasks())


async def test_the_gateway_answers_this_machine(composed: Composition):
    async with httpx2.AsyncClient(base_url=composed.gateway, timeout=60) as client:
        asked = await client.post(
            "/agents/support/runs", data={"message": "Where is order 1043?", "stream": "false"}
        )
    assert asked.json()["status"] == "COMPLETED"


async def test_prometheus_reads_every_service(composed: Composition):
    address = f"http://localhost:{composed.ports['PROMETHEUS_PORT']}"
    async with httpx2.AsyncClient(base_url=address, timeout=30) as client:
        up: set[str] = set()
        for _ in range(60):
            found = (await client.get("/api/v1/query", params={"query": "up"})).json()
            up = {
                one["metric"]["service"]
                for one in found["data"]["result"]
                if one["value"][1] == "1"
            }
            if up == set(NAMES):
                break
            await asyncio.sleep(1)  # it asks every few seconds
    assert up == set(NAMES)


async def test_more_replicas_share_the_work(composed: Composition):
    composed.up("--scale", "llm=2", "--scale", "conductor=2", "--no-recreate")
    await completed(composed, tasks())
    seen = composed.seen()
    assert seen["llm-2"].health == seen["conductor-2"].health == "healthy"


async def test_containers_killed_under_work_lose_nothing(composed: Composition):
    sent = tasks()
    async with Outside(composed.bootstrap) as outside:
        for number, task in enumerate(sent.values()):
            await outside.send(task)
            if number % 5 == 0:
                name = NAMES[number // 5 % len(NAMES)]
                await asyncio.to_thread(composed.compose, "kill", name)
                await asyncio.to_thread(composed.compose, "start", name)
        results = await outside.wait_for(set(sent), within_s=180)
    assert {one["status"] for one in results.values()} == {"completed"}


async def test_what_was_kept_outlives_its_containers(composed: Composition):
    sent = tasks()
    run_id = next(iter(sent))
    await completed(composed, {run_id: sent[run_id]})
    composed.compose("rm", "--stop", "--force", "--volumes")  # those without a name
    composed.up()
    async with httpx2.AsyncClient(base_url=composed.gateway, timeout=30) as client:
        assert (await client.get(f"/v1/runs/{run_id}")).json()["status"] == "completed"
    await completed(composed, tasks())


def test_services_that_are_told_to_stop_end_well_and_soon(composed: Composition):
    composed.compose("stop", "--timeout", "25", *NAMES)
    seen = composed.seen()
    assert {seen[f"{name}-1"].exit_code for name in NAMES} == {0}
