"""A tools process is killed with SIGKILL in the middle of a tool call, for each declaration: over
a real log and the embedded broker, with what the tool did written down outside."""

import asyncio
import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.acceptance.processes import run
from tests.integration.effects.floor import Shop, alive

pytestmark = [
    pytest.mark.kafka, pytest.mark.postgres, pytest.mark.kills, pytest.mark.timeout(180),
]  # fmt: skip


@pytest.mark.parametrize("agent", ["reads", "again"])
async def test_what_only_reads_or_is_idempotent_runs_again_with_the_same_key(
    shop: Shop, agent: str
):
    await shop.killed_within(agent)
    result = await shop.result("completed")
    assert "charged 4 EUR" in result["output"]
    journal = shop.journal()
    # What only reads begins beside its claim, so it may have been read once more.
    assert len(journal) == 2 or (agent == "reads" and len(journal) > 2)
    assert len(set(journal)) == 1  # the same key


@pytest.mark.parametrize("booked", [True, False])
async def test_a_reconciler_is_asked_and_the_call_runs_only_if_it_has_not_acted(
    shop: Shop, booked: bool
):
    if booked:
        (shop.folder / "the bank has it").touch()
    await shop.killed_within("reconciled")
    result = await shop.result("completed")
    assert ("charged before" if booked else "charged 4 EUR") in result["output"]
    did = [line.split()[0] for line in shop.journal()]
    assert did == ["charged", "asked"] + ([] if booked else ["charged"])


@pytest.mark.parametrize(("decision", "times"), [("done", 1), ("not_done", 2), ("reject", 1)])
async def test_what_declares_nothing_is_never_repeated_by_itself_and_a_person_decides(
    shop: Shop, decision: str, times: int
):
    await shop.killed_within("once")
    paused = await shop.result("paused")
    assert len(shop.journal()) == 1
    (asked,) = paused["requirements"]
    assert asked["kind"] == "in_doubt"
    flag = f"--{decision.replace('_', '-')}"
    arguments = ("resolve", "r", asked["id"], flag, "--by", "ann", "--note", "looked it up")
    await asyncio.to_thread(run, *arguments, env=shop.fleet.env)
    result = await shop.result("completed")
    assert len(shop.journal()) == times
    assert len(set(shop.journal())) == 1
    if decision == "not_done":
        assert "charged 4 EUR" in result["output"]


async def test_a_call_that_kills_its_worker_three_times_is_found_and_others_go_on(shop: Shop):
    await shop.outside.send({"target": "agent:kills", "input": "Charge order 1042", "run_id": "r"})
    for life in range(3):
        await shop.until(lambda life=life: len(shop.journal()) == life + 1)
        await shop.until(lambda: shop.fleet.running["tools-0"].poll() is not None)
        shop.fleet.spawn("tools")  # it may have died again before it is seen to be ready
    await shop.fleet.ready("tools-0")  # the fourth lives on
    paused = await shop.result("paused")
    assert paused["requirements"][0]["kind"] == "in_doubt"
    assert len(shop.journal()) == 3
    await shop.outside.send({"target": "agent:once", "input": "Charge order 1043", "run_id": "q"})
    assert (await shop.result("completed"))["run_id"] == "q"
    said = await asyncio.to_thread(_letters, shop.fleet.env)
    assert [(one["reason"], one["run_id"]) for one in said] == [("killed", "r")]


async def test_a_killed_service_leaves_no_isolated_tool_running_and_its_call_is_in_doubt(
    shop: Shop,
):
    (shop.folder / "stand still").touch()
    await shop.outside.send({"target": "agent:apart", "input": "Charge order 1042", "run_id": "r"})
    await shop.until(lambda: len(shop.journal()) == 2)
    pid = int(shop.journal()[0].split()[1])
    assert alive(pid)
    shop.fleet.kill("tools-0")
    await shop.until(lambda: not alive(pid), within_s=3)
    shop.fleet.spawn("tools")
    paused = await shop.result("paused")
    assert paused["requirements"][0]["kind"] == "in_doubt"
    assert len(shop.journal()) == 2


async def test_an_isolated_tool_that_ends_its_process_fails_and_its_service_lives_on(shop: Shop):
    service = shop.fleet.running["tools-0"]
    await shop.outside.send(
        {"target": "agent:ends_apart", "input": "Charge order 1042", "run_id": "r"}
    )
    result = await shop.result("completed")
    assert "was run 3 times" in result["output"]
    assert len(shop.journal()) == 3
    assert len(set(shop.journal())) == 1
    assert service.poll() is None
    assert await asyncio.to_thread(_letters, shop.fleet.env) == []


def _letters(env: Any) -> list[dict[str, Any]]:
    told = subprocess.run(
        [sys.executable, "-m", "actalog", "dlq", "list", "--json"], env={**os.environ, **env},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return json.loads(told.stdout)
