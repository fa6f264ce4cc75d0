"""Workers that are told to end, or stand still for longer than their lease, in the middle of model
calls and tool calls, with another beside them: nothing acts twice, nothing is paid for in silence."""

import asyncio
import signal
import time

import pytest

from actalog_contracts.runs import CallSettled, ModelReplied, ToolReturned
from actalog_testing.scripted import Answer, Reply, Request
from tests.acceptance.site import only
from tests.integration.effects.floor import Shop, alive

pytestmark = [pytest.mark.apache, pytest.mark.kills, pytest.mark.timeout(240)]
GRACE_S = 10.0  # of a service that is told to end
LEASE_S = 1.0
SLACK_S = 20.0  # of a machine on which other tests run
SESSION_S = 6.0  # until a member of a group that stands still is left out


@pytest.fixture
def shop(large_shop: Shop) -> Shop:
    return large_shop


async def ask(shop: Shop, run_id: str, agent: str = "once", text: str = "") -> None:
    text = text or f"Charge order {1042 + len(run_id)}"
    await shop.outside.send({"target": f"agent:{agent}", "input": text, "run_id": run_id})


async def settled(shop: Shop, run_id: str) -> CallSettled:
    """The one outcome that was refused and recorded."""
    async with asyncio.timeout(60):
        while not (found := only(await shop.story(run_id), CallSettled)):  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    (one,) = found
    assert isinstance(one, CallSettled)
    return one


def asked_with(shop: Shop, text: str) -> int:
    """How often the model was asked that."""
    return sum(request.messages[-1].text == text for request in shop.model.requests)


async def test_a_model_call_that_ends_within_the_grace_of_a_deploy_is_made_once(shop: Shop):
    await shop.joined("llm")
    slow, fast = Reply("slowly told", chunks=8, delay_ms=500), Reply("told again")

    def answer(request: Request) -> Answer:
        """Slow for whoever asks first."""
        return slow if asked_with(shop, request.messages[-1].text) == 1 else fast

    shop.model.follow(answer)
    runs = [f"r{at}" for at in range(6)]  # on both workers, whoever has which partition
    for run_id in runs:
        await ask(shop, run_id, text=f"Tell me of {run_id}")
    await shop.until(lambda: shop.model.count == len(runs))
    assert await shop.ended("llm-0") == 0
    for run_id in runs:
        result = await shop.of(run_id, "completed")
        assert (result["output"], result["usage"]["model_calls"]) == ("slowly told", 1)
    assert shop.model.count == len(runs)


async def test_a_model_call_that_outlasts_the_grace_is_an_aborted_request_and_no_more(shop: Shop):
    await shop.joined("llm")

    def answer(request: Request) -> Answer:
        first = asked_with(shop, request.messages[-1].text) == 1
        return Reply("never told " * 20, chunks=90, delay_ms=1_000) if first else Reply("told")

    shop.model.follow(answer)
    runs = [f"r{at}" for at in range(4)]
    for run_id in runs:
        await ask(shop, run_id, text=f"Tell me of {run_id}")
    await shop.until(lambda: shop.model.count == len(runs))
    began = time.monotonic()
    endings = [asyncio.create_task(shop.ended(each)) for each in ("llm-0", "llm-1")]
    shop.fleet.spawn("llm", 2)  # the new build, while the old ones drain
    await shop.fleet.ready("llm-2")
    assert await asyncio.gather(*endings) == [0, 0]
    for run_id in runs:
        result = await shop.of(run_id, "completed")
        assert (result["output"], result["usage"]["model_calls"]) == ("told", 1)
        assert len(only(await shop.story(run_id), ModelReplied)) == 1
        assert asked_with(shop, f"Tell me of {run_id}") == 2  # what broke off, and the answer
    assert time.monotonic() - began < GRACE_S + SESSION_S + 3 * LEASE_S + SLACK_S


async def test_a_deploy_of_tools_finishes_what_is_brief_and_hands_the_rest_over(shop: Shop):
    (shop.folder / "stand still").touch()
    for run_id, agent in (("b", "brief"), ("ag", "again"), ("onc", "once"), ("apar", "apart")):
        await ask(shop, run_id, agent)
    await shop.until(lambda: len(shop.journal()) == 5)  # `apart` writes two lines
    (process,) = [int(one.split()[1]) for one in shop.journal() if one.startswith("process")]
    await shop.joined("tools")
    assert await shop.ended("tools-0") == 0
    assert not alive(process)
    assert [one.split()[0] for one in shop.journal()].count("finished") == 1
    (shop.folder / "stand still").unlink()
    assert "charged 4 EUR" in (await shop.of("b", "completed"))["output"]
    assert "charged 4 EUR" in (await shop.of("ag", "completed"))["output"]
    for run_id in ("onc", "apar"):
        (asked,) = (await shop.of(run_id, "paused"))["requirements"]
        assert asked["kind"] == "in_doubt"
    did = [one for one in shop.journal() if one.startswith("charged")]
    assert (len(did), len(set(did))) == (4, 3)  # `again` twice, with the same key
    assert len([one for one in shop.journal() if one.startswith("begun")]) == 1


async def test_6_5_a_model_s_answer_that_comes_after_another_s_is_refused_and_recorded_with_its_cost(
    shop: Shop,
):
    def answer(request: Request) -> Answer:
        first = asked_with(shop, request.messages[-1].text) == 1
        return Reply("a zombie's", chunks=4, delay_ms=500) if first else Reply("the answer")

    shop.model.follow(answer)
    await ask(shop, "r", text="Tell me")
    await shop.until(lambda: shop.model.count == 1)
    await shop.claimed(1)  # the request may have been the quicker of the two
    zombie = shop.fleet.running["llm-0"]
    zombie.send_signal(signal.SIGSTOP)
    try:
        await shop.joined("llm")
        result = await shop.of("r", "completed")
    finally:
        zombie.send_signal(signal.SIGCONT)
    assert result["output"] == "the answer"
    late = await settled(shop, "r")
    assert late.epoch == 1
    assert late.outcome in ("model.replied.v1", "model.failed.v1")  # broken off, if it heard first
    assert late.usage.input_tokens > 0
    (reply,) = only(await shop.story("r"), ModelReplied)
    assert isinstance(reply, ModelReplied)
    assert reply.epoch > 1
    assert shop.model.count == 2
    assert zombie.poll() is None


async def test_6_5_a_tool_that_ends_after_its_call_was_taken_over_is_refused_or_settles_the_doubt(
    shop: Shop,
):
    (shop.folder / "stand still").touch()
    for run_id, agent in (("ag", "again"), ("onc", "once")):
        await ask(shop, run_id, agent)
    await shop.until(lambda: len(shop.journal()) == 2)
    zombie = shop.fleet.running["tools-0"]
    zombie.send_signal(signal.SIGSTOP)
    try:
        (shop.folder / "stand still").unlink()
        await shop.joined("tools")
        assert "charged 4 EUR" in (await shop.of("ag", "completed"))["output"]
        (asked,) = (await shop.of("onc", "paused"))["requirements"]
        assert asked["kind"] == "in_doubt"
    finally:
        zombie.send_signal(signal.SIGCONT)
    late = await settled(shop, "ag")
    assert (late.epoch, late.outcome) == (1, "tool.returned.v1")
    assert (late.duration_ms or 0) > LEASE_S * 1_000
    # Its own outcome is the best that can be known, and no person had to look it up.
    assert "charged 4 EUR" in (await shop.of("onc", "completed"))["output"]
    assert len(only(await shop.story("onc"), ToolReturned)) == 1
    did = [one for one in shop.journal() if one.startswith("charged")]
    assert (len(did), len(set(did))) == (3, 2)
