"""A cancel in the middle of a tool call, over PostgreSQL and a broker: the run ends at once, what
is known of the call is recorded behind its end, and nothing acts twice (protocol 6.5, 6.8)."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from actalog_contracts.runs import CallSettled, RunCancelled, RunEvent
from tests.acceptance.outside import Told
from tests.acceptance.site import Site, only, site
from tests.integration.effects.slow import TOOLS, app

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.timeout(180)]
AT_ONCE_S = 3.0  # a run's end does not wait until its worker has learned of it
# What is recorded of a call that was in the middle of its work: outcome, and what is told.
KNOWN = {
    "reads": ("tool.failed.v1", "cancelled in the middle"),
    "again": ("tool.failed.v1", "it may have acted"),
    "once": ("tool.in_doubt.v1", "cancelled in the middle"),
    "booked": ("tool.returned.v1", None),
    "unbooked": ("tool.failed.v1", "it has not acted"),
    "unknown": ("tool.in_doubt.v1", "does not know"),
    "thread": ("tool.returned.v1", None),
    "apart-again": ("tool.failed.v1", "it may have acted"),
    "apart-once": ("tool.in_doubt.v1", "cancelled in the middle"),
}


@pytest.fixture(name="site")
async def running_site(
    embedded_broker: str, fresh_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Site]:
    monkeypatch.setenv("SLOW_FOLDER", str(tmp_path))
    async with site(embedded_broker, fresh_database, app, embedded=True) as made:
        yield made


def numbers() -> dict[str, str]:
    """The order of each agent's run."""
    return {agent: str(2000 + at) for at, agent in enumerate(TOOLS)}


def journal(folder: Path, agent: str) -> list[str]:
    """What the tool of an agent did outside."""
    path = folder / numbers()[agent]
    return path.read_text().splitlines() if path.exists() else []


async def begun(site: Site, folder: Path) -> None:
    """A run of each agent, whose tool is in the middle of its work."""
    for agent, number in numbers().items():
        await site.outside.send(
            {"target": f"agent:{agent}", "input": f"Charge order {number}", "run_id": agent}
        )
    async with asyncio.timeout(60):
        while not all(journal(folder, agent) for agent in TOOLS):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def settled(site: Site, agent: str) -> CallSettled:
    """What was recorded of the call, once it was."""
    async with asyncio.timeout(60):
        while True:
            found = only(await site.story(agent), CallSettled)
            if found:
                (one,) = found
                assert isinstance(one, CallSettled)
                return one
            await asyncio.sleep(0.1)


async def test_6_8_a_cancel_ends_the_run_at_once_and_what_its_tool_may_have_done_is_recorded(
    site: Site, tmp_path: Path
):
    await begun(site, tmp_path)
    cancelled = time.monotonic()
    for agent in TOOLS:
        await site.outside.send({"type": "run.cancel.v1", "run_id": agent, "by": "ann"})
    ended = await site.outside.wait_for(set(TOOLS))
    assert time.monotonic() - cancelled < AT_ONCE_S
    assert {told["status"] for told in ended.values()} == {"cancelled"}

    told = {agent: await settled(site, agent) for agent in TOOLS if agent != "thread"}
    assert only(await site.story("thread"), CallSettled) == []  # it works on
    (tmp_path / "go").touch()
    told["thread"] = await settled(site, "thread")
    for agent, (outcome, message) in KNOWN.items():
        assert (agent, told[agent].outcome) == (agent, outcome)
        assert (message or "") in (told[agent].message or ""), agent
        if outcome != "tool.in_doubt.v1" and agent != "booked":
            assert (told[agent].duration_ms or 0) > 0, agent

    await asyncio.sleep(2 * site.settings.lease_ms / 1000)  # nobody takes anything over
    for agent in TOOLS:
        did = [line.split()[0] for line in journal(tmp_path, agent)]
        assert (agent, did) == (agent, ["begun", "ended"] if agent == "thread" else ["begun"])
        assert_behind_the_end(await site.story(agent))
    assert_published_once(site.outside.events)


def assert_behind_the_end(story: Sequence[RunEvent]) -> None:
    *_, end, late = story
    assert isinstance(end, RunCancelled)
    assert end.by == "ann"
    assert isinstance(late, CallSettled)


def assert_published_once(events: list[Told]) -> None:
    for agent in TOOLS:
        of_run = [one for one in events if one["run_id"] == agent]
        seqs = sorted({one["seq"] for one in of_run})
        assert seqs == list(range(1, len(seqs) + 1))
        assert of_run[-1]["type"] == "call.settled.v1"
