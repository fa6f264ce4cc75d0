"""Cancels: of the tenant's own run, by whom and why, also where one passes its task (protocol 2.3)."""

from actalog_contracts.runs import RunCancelled
from actalog_core.events import decode
from actalog_log.ports import FoundRun
from tests.integration.conductor.world import World


async def ended(world: World, run_id: str = "r", tenant_id: str = "default") -> RunCancelled | None:
    """How it was cancelled; None: it was not."""
    await world.bus.drained()
    found = await world.log.find_run(tenant_id, run_id)
    assert found is not None
    for stored in await world.log.read(found.row.run_no):
        event = decode(stored.type, stored.payload)
        if isinstance(event, RunCancelled):
            return event
    return None


async def test_a_cancelled_run_says_who_cancelled_it_and_why(world: World):
    await world.waits_for("llm")
    await world.send(type="run.cancel.v1", run_id="r", reason="changed my mind", by="ann")
    cancelled = await ended(world)
    assert cancelled is not None
    assert (cancelled.reason, cancelled.by) == ("changed my mind", "ann")


async def test_1_1_a_cancel_is_of_its_tenants_run_and_of_no_others(world: World):
    await world.waits_for("llm")
    await world.task(tenant_id="acme")
    await world.bus.drained()
    await world.send(type="run.cancel.v1", run_id="r", tenant_id="acme")
    assert await ended(world, tenant_id="acme") is not None
    assert await ended(world) is None
    await world.send(type="run.cancel.v1", run_id="later", tenant_id="acme")  # before its task
    await world.task("later")
    await world.task("later", tenant_id="acme")
    assert await ended(world, "later", tenant_id="acme") is not None
    assert await ended(world, "later") is None


async def test_2_3_a_cancel_that_looked_before_its_task_was_committed_looks_again(world: World):
    """And the acceptor had looked before the cancel was: each commits, then looks for the other."""
    await world.waits_for("llm")
    find_run = world.log.find_run

    async def not_yet(tenant_id: str, run_id: str) -> FoundRun | None:
        world.log.find_run = find_run  # type: ignore[method-assign]
        return None

    world.log.find_run = not_yet  # type: ignore[method-assign]
    await world.send(type="run.cancel.v1", run_id="r")
    assert await ended(world) is not None


async def test_what_cannot_be_read_is_refused_with_the_run_and_the_field_it_names(world: World):
    await world.start()
    await world.send(target="agent:a", input="hello", run_id="r", colour="blue")
    (told,) = await world.results()
    assert (told["type"], told["run_id"]) == ("message.refused.v1", "r")
    assert (told["error"]["code"], told["error"]["field"]) == ("bad_input", "colour")
