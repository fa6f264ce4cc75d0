"""How a victim comes to die while work is in flight: one function for each kind of work.

Each returns the runs, how many of them were in flight when the victim died, and leaves a
successor behind (or another copy that goes on).
"""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import orjson

from actalog_log.beside_ports import InboxRow
from tests.chaos.cell_http import Reader, post
from tests.chaos.cell_model import SLOWLY
from tests.chaos.cell_place import DIES_WITHIN_S, Place
from tests.chaos.cells import Cell, Work

MOST_RUNS_ALONE = 12


@dataclass(frozen=True)
class Done:
    """`agent` is that of all runs."""

    agent: str
    runs: Sequence[str]
    in_flight: int


def agent_of(cell: Cell) -> str:
    return "careful" if cell.service == "guardrails" else "clerk"


async def submit(
    place: Place, agent: str, run_id: str, *, session: str | None = None, slowly: bool = False
) -> None:
    """A task from another system."""
    await place.outside.send(task(agent, run_id, session=session, slowly=slowly))


def task(
    agent: str, run_id: str, *, session: str | None = None, slowly: bool = False
) -> dict[str, object]:
    said = f"Order {run_id} {SLOWLY}" if slowly else f"Order {run_id}"
    session = session or run_id
    return {
        "type": "task.submit.v1", "target": f"agent:{agent}", "input": said, "run_id": run_id,
        "session_id": session, "user_id": f"user of {session}",
    }  # fmt: skip


async def dies(place: Place, cell: Cell, runs: Sequence[str]) -> int:
    """The victim's death; how many runs were in flight then."""
    await place.death(cell)
    found = await place.unfinished(runs)
    assert found > 0, f"nothing was in flight at {cell.point}:{cell.n}"
    return found


async def one_run(place: Place, cell: Cell, name: str) -> Done:
    await place.arm(cell)
    await submit(place, agent_of(cell), name)
    found = await dies(place, cell, [name])
    place.again()
    return Done(agent_of(cell), [name], found)


async def stands(place: Place, cell: Cell, name: str) -> Done:
    """One run, which cannot end before the victim has died."""
    await place.arm(cell)
    with place.held():
        await submit(place, agent_of(cell), name)
        found = await dies(place, cell, [name])
    place.again()
    return Done(agent_of(cell), [name], found)


async def turns(place: Place, cell: Cell, name: str) -> Done:
    runs = [f"{name}{letter}" for letter in "xyz"]
    await place.arm(cell)
    for run_id in runs:
        await submit(place, agent_of(cell), run_id, session=name)
    found = await dies(place, cell, runs)
    place.again()
    return Done(agent_of(cell), runs, found)


async def in_the_middle(place: Place, cell: Cell, name: str) -> None:
    """A run that stands still: at a tool, or, where models are asked, at a model."""
    await submit(place, agent_of(cell), name, slowly=cell.victim == "llm")
    if cell.victim == "llm":  # asked by the victim: its successor is answered at once
        await place.until(lambda: f"Order {name} {SLOWLY}" in place.slow, "a model is asked")
        return
    async with asyncio.timeout(DIES_WITHIN_S):
        while await _returned(place, name) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    if cell.victim == "tools":  # the third has begun, too
        await asyncio.sleep(0.3)


async def _returned(place: Place, run_id: str) -> int:
    return await place.database.fetchval(
        "select count(*) from events join runs using (run_no)"
        " where run_id = $1 and type = 'tool.returned.v1'", run_id,
    )  # fmt: skip


async def joins(place: Place, cell: Cell, name: str) -> Done:
    await place.arm(cell)
    with place.held():
        await in_the_middle(place, cell, name)
        place.fleet.spawn(place.service, 1, ACTALOG_INSTANCE="")
        found = await dies(place, cell, [name])
        place.again()
    return Done(agent_of(cell), [name], found)


async def drains(place: Place, cell: Cell, name: str) -> Done:
    await place.arm(cell)
    with place.held() as hold:
        await in_the_middle(place, cell, name)
        place.fleet.running[place.each].send_signal(signal.SIGTERM)
        if cell.point == "bus.drained":
            hold.unlink(missing_ok=True)
        found = await dies(place, cell, [name])
        place.again()
    return Done(agent_of(cell), [name], found)


async def alone(place: Place, cell: Cell, name: str) -> Done:
    """Another copy lives, and nobody is restarted: what lands with the victim waits for it."""
    await place.arm(cell)
    place.fleet.spawn(place.service, 1, ACTALOG_INSTANCE="")
    await place.fleet.ready(f"{place.service}-1")
    runs: list[str] = []
    while len(runs) < MOST_RUNS_ALONE and place.fleet.running[place.each].poll() is None:
        runs.append(f"{name}{chr(ord('a') + len(runs))}")
        await submit(place, agent_of(cell), runs[-1])
        await asyncio.sleep(0.1)
    found = await dies(place, cell, runs)
    return Done(agent_of(cell), runs, found)


async def begun(place: Place, cell: Cell, name: str) -> Done:
    """The run begins with one process and is read from the log by the next."""
    await place.leave(place.each)
    place.again()
    await place.fleet.ready(place.each)
    with place.held():
        await in_the_middle(place, cell, name)
        place.fleet.kill(place.each)
        place.armed(cell)
        # What was heard and not committed comes again: it may die of that.
        with contextlib.suppress(AssertionError):
            await place.fleet.ready(place.each)
    found = await dies(place, cell, [name])
    place.again()
    return Done(agent_of(cell), [name], found)


async def inbox(place: Place, cell: Cell, name: str) -> Done:
    """As a gateway leaves it that died before it published."""
    await place.arm(cell)
    said = task(agent_of(cell), name)
    row = InboxRow("default", name, orjson.dumps(said), headers={"ce_type": "task.submit.v1"})
    await place.log.put_inbox(row)
    found = await dies(place, cell, [name])
    place.again()
    return Done(agent_of(cell), [name], found)


async def untold(place: Place, cell: Cell, name: str) -> Done:
    """The tools die when an outcome is stored, and are away until the supervisor has found it: of a
    conductor that came afterwards, so that it has heard and told nothing else."""
    await place.leave(place.each)
    place.again()
    await place.fleet.ready(place.each)
    await place.leave("tools-0")
    place.fleet.spawn("tools", ACTALOG_CRASHPOINT="calls.settled:1")
    await place.fleet.ready("tools-0")
    await submit(place, agent_of(cell), name)
    tools = place.fleet.running["tools-0"]
    await place.until(lambda: tools.poll() is not None, "the tools die", within_s=DIES_WITHIN_S)
    del place.fleet.running["tools-0"]
    await place.arm(cell)
    found = await dies(place, cell, [name])
    place.again()
    place.fleet.spawn("tools")
    return Done(agent_of(cell), [name], found)


async def posted(place: Place, cell: Cell, name: str) -> Done:
    """A client posts with a key of its own until it is answered, and once more."""
    await place.arm(cell)
    body = {**task(agent_of(cell), name)}
    del body["run_id"]
    key = {"Idempotency-Key": name}
    posting = asyncio.create_task(post(place, "/v1/tasks", body, key))
    await place.death(cell)
    waits = "select (select count(*) from inbox) + (select count(*) from open_runs)"
    found = int(not posting.done()) + await place.database.fetchval(waits)
    assert found > 0, "nothing was in flight"
    place.again()
    status, first = await posting
    assert status == 202, first
    again_status, again = await post(place, "/v1/tasks", body, key)
    assert (again_status, again["run_id"]) == (202, first["run_id"])
    runs = await place.database.fetch(
        "select run_id from runs where session_id = $1 and turn is not null", name
    )
    assert len(runs) <= 1, runs
    return Done(agent_of(cell), [first["run_id"]], found)


async def approved(place: Place, cell: Cell, name: str) -> Done:
    """A person lets a call run, and is not told that it was heard."""
    await place.arm(cell)
    await submit(place, "asks", name)

    def asked() -> list[dict[str, str]]:
        return [
            one["requirements"][0] for one in place.outside.results
            if one.get("run_id") == name and one.get("status") == "paused"
        ]  # fmt: skip

    await place.until(asked, "the run asks")
    required = asked()[0]
    path, body = f"/v1/runs/{name}/requirements/{required['id']}", {"decision": "approve"}
    with place.held():  # what it lets run is not over at once
        posting = asyncio.create_task(post(place, path, body))
        found = await dies(place, cell, [name])
    place.again()
    status, said = await posting
    assert status in (202, 409), said  # 409: what was accepted was decided meanwhile
    return Done("asks", [name], found)


async def streamed(place: Place, cell: Cell, name: str) -> Done:
    """A client follows a run, is cut off, and comes back with the last id it has."""
    await place.arm(cell)
    reader = Reader(place, name)
    with place.held() as hold:
        await in_the_middle(place, cell, name)
        reading = asyncio.create_task(reader.read())
        if cell.work == "drains":
            await place.until(lambda: reader.seqs, "the client is told")
            place.fleet.running[place.each].send_signal(signal.SIGTERM)
        found = await dies(place, cell, [name])
        place.again()
        hold.unlink(missing_ok=True)
        await asyncio.wait_for(reading, 60)
    result = (await place.outside.wait_for({name}))[name]
    assert reader.seqs == list(range(1, result["events"] + 1))
    assert reader.connections > 1
    return Done(agent_of(cell), [name], found)


async def gateway_drains(place: Place, cell: Cell, name: str) -> Done:
    return await (streamed if cell.service == "gateway" else drains)(place, cell, name)


WORKS: Mapping[Work, Callable[[Place, Cell, str], Awaitable[Done]]] = {
    "run": one_run, "stands": stands, "turns": turns, "joins": joins, "drains": gateway_drains, "alone": alone,
    "begun": begun, "inbox": inbox, "untold": untold, "posted": posted, "approved": approved,
    "streamed": streamed,
}  # fmt: skip
