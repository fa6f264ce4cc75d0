"""What a request costs is told, also when it was broken off, or is another's by now."""

import asyncio

from actalog_contracts.calls import CallAnswered
from actalog_contracts.runs import ModelFailed, ModelReplied
from actalog_core.errors import Transient
from actalog_log.memory import MemoryLog
from actalog_testing.scripted import Fault, Reply, Tokens
from tests.integration.llm.world import Make, World


async def test_a_call_whose_run_has_ended_is_broken_off_with_its_cost(make: Make):
    world = make(settings={"lease_ms": 150})
    world.server.follow([Fault(stall_after_chunks=3)])
    await world.start()
    await world.begin()
    await world.postman.command(world.command())
    await world.server_has(1)
    await world.finish()
    await world.bus.drained()
    told = world.outcome()
    assert isinstance(told, ModelFailed)
    assert "broken off: its run had ended" in told.message
    assert told.usage.estimated
    assert told.usage.input_tokens > 0


async def test_6_7_who_tries_again_has_waited_for_its_claim(world: World):
    """An epoch that is raised before would be nobody's: the call would be taken for another's."""
    world.server.follow([Fault(status=500), Reply("second")])
    await world.start()
    await world.begin()
    gate = world.slow_claims()
    await world.postman.command(world.command())
    await world.server_has(1)
    await asyncio.sleep(0.1)
    gate.set()
    await world.bus.drained()
    reply = world.outcome()
    assert isinstance(reply, ModelReplied)
    assert (reply.text, reply.epoch) == ("second", 2)


async def test_a_message_that_the_provider_refused_costs_what_it_says(world: World):
    refused = Reply("I cannot", usage=Tokens(70, 30), finish="content_filter")
    world.server.follow([refused])
    await world.start()
    await world.begin()
    told = await world.ask()
    assert isinstance(told, ModelFailed)
    assert (told.kind, told.usage.input_tokens, told.usage.output_tokens) == ("refused", 70, 30)


async def test_a_worker_that_died_is_followed_by_another_under_the_next_epoch(make: Make):
    first = make(settings={"lease_ms": 300})
    first.server.follow([Fault(stall_before_headers=True), Reply("second")])
    await first.start()
    await first.begin()
    await first.postman.command(first.command())
    await first.server_has(1)
    await first.bus.crash()
    assert first.service is not None
    await first.service.stop()
    second = make(
        server=first.server, log=first.log, broker=first.broker, settings={"lease_ms": 300}
    )
    second.runs = first.runs
    await second.start(serve=False)
    replies = await second.answered()
    # It is asked until there is an answer, so it may be answered again.
    assert {(one.text, one.epoch) for one in replies} == {("second", 2)}


async def test_6_5_a_call_that_is_another_s_by_now_is_broken_off_and_told_as_late_with_its_cost(
    make: Make,
):
    zombie = make(settings={"lease_ms": 300})
    zombie.server.follow([Fault(stall_after_chunks=3), Reply("second")])
    await zombie.start()
    await zombie.begin()
    await zombie.postman.command(zombie.command())
    await zombie.server_has(1)
    as_another_s(zombie.log)
    await zombie.bus.drained()
    assert told_late(zombie).epoch == 1


def as_another_s(log: MemoryLog) -> None:
    """As after a sleep that was longer than its lease."""
    row = log.calls.rows["1/r:m1"]
    row.holder, row.epoch = "another", 2


def told_late(world: World) -> ModelFailed:
    """What was told of a call that is another's: its cost."""
    (told,) = [CallAnswered.model_validate_json(one.value or b"")
               for one in world.bus.records("actalog.replies")]  # fmt: skip
    assert isinstance(told.outcome, ModelFailed)
    assert (told.late, told.outcome.usage.estimated) == (True, True)
    assert told.outcome.usage.input_tokens > 0
    return told.outcome


async def test_6_5_who_would_try_again_what_is_another_s_by_now_tells_what_it_cost(make: Make):
    zombie = make(settings={"lease_ms": 60_000})  # no renewal comes first
    slow = Reply("This does not arrive whole.", delay_ms=300)
    zombie.server.follow([Fault(reply=slow, error_after_chunks=2), Reply("never asked for")])
    await zombie.start()
    await zombie.begin()
    await zombie.postman.command(zombie.command())
    await zombie.server_has(1)
    as_another_s(zombie.log)
    await zombie.bus.drained()
    assert told_late(zombie).epoch == 1
    assert zombie.server.count == 1


async def test_6_5_what_was_asked_beside_a_claim_that_is_another_s_tells_what_it_cost(world: World):
    world.server.follow([Fault(stall_after_chunks=3)])
    await world.start()
    run_no = await world.begin()
    claim = await world.log.calls.claim("1/r:m1", run_no=run_no, holder="another", lease_ms=60_000)
    assert claim.epoch == 1
    gate = world.slow_claims()
    await world.postman.command(world.command())
    await world.server_has(1)
    gate.set()
    await world.bus.drained()
    assert told_late(world).epoch == 0


async def test_what_was_asked_before_its_claim_said_that_it_has_run_before_is_paid_for(make: Make):
    world = make()
    world.server.follow([Fault(stall_after_chunks=3), Reply("second")])
    await world.start()
    world.reached_the_database_for_long()
    run_no = await world.begin()
    await world.log.calls.claim("1/r:m1", run_no=run_no, holder="the dead", lease_ms=0)
    await asyncio.sleep(0.01)
    gate = world.slow_claims()
    await world.postman.command(world.command())
    await world.server_has(1)
    gate.set()
    await world.bus.drained()
    reply = world.outcome()
    assert isinstance(reply, ModelReplied)
    assert (reply.text, reply.epoch, reply.usage.estimated) == ("second", 2, True)
    assert reply.usage.input_tokens > 17


async def test_what_was_asked_beside_a_claim_that_nobody_answered_is_paid_for(world: World):
    world.server.follow([Fault(stall_after_chunks=3), Reply("second")])
    await world.start()
    await world.begin()
    gate = world.slow_claims(Transient("no database"))
    await world.postman.command(world.command())
    await world.server_has(1)
    gate.set()
    await world.server_has(2)
    await world.bus.drained()
    reply = world.outcome()
    assert isinstance(reply, ModelReplied)
    assert (reply.text, reply.epoch, reply.usage.estimated) == ("second", 1, True)
    assert reply.usage.input_tokens > 17
    assert reply.usage.model_calls == 1
