"""All services over the doubles: a task in, a result out, the log rebuilt and replayed."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from actalog import Agent, App
from actalog.cli.open_requirements import every
from actalog.cli.prompts import calls_of, shown
from actalog.platform import Platform
from actalog.rebuilding import recorded
from actalog.registry import register
from actalog.replaying import PromptDiffers, replay
from actalog_bus.memory import MemoryBus
from actalog_core.settings import Settings
from tests.witness import differences


def order_status(order_id: str) -> str:
    """Where an order is.

    Args:
        order_id: The number of the order.
    """
    return f"Order {order_id} left on Tuesday."


APP = App(
    agents=[Agent(name="support", model="openai:m", instructions="Be brief.", tools=[order_status])]
)


@pytest.fixture
async def platform() -> AsyncIterator[Platform]:
    made = Platform.in_memory(APP, settings=Settings())
    await made.start()
    yield made
    await made.stop()


async def ask(platform: Platform, run_id: str, text: str = "Where is order 1042?") -> Any:
    bus = cast(MemoryBus, platform.on.bus)
    task = {"target": "support", "input": text, "run_id": run_id}
    await bus.publish("actalog.tasks", value=json.dumps(task).encode())
    async with asyncio.timeout(20):
        while True:
            for record in bus.records("actalog.results"):
                told = json.loads(record.value or b"")
                if told["run_id"] == run_id:
                    return told
            await asyncio.sleep(0.01)


async def test_a_task_passes_every_service_and_has_its_result(platform: Platform):
    told = await ask(platform, "r")
    assert told["status"] == "completed"
    assert "left on Tuesday" in told["output"]
    assert await platform.missing() == []


async def test_a_run_is_rebuilt_and_replays_without_a_difference(platform: Platform):
    await ask(platform, "r")
    log = platform.on.log
    found = await log.find_run("default", "r")
    assert found is not None
    run = await recorded(log, found)
    assert type(run.state()).__name__ == "Finished"
    assert type(run.state(0)).__name__ == "NotStarted"
    assert await replay(log, run) is None
    assert await every(log, "default") == ([], {})


@pytest.mark.tampers
async def test_one_changed_word_of_a_prompt_is_found_at_its_model_call(platform: Platform):
    await ask(platform, "r")
    log = platform.on.log
    found = await log.find_run("default", "r")
    assert found is not None
    run = await recorded(log, found)
    first = (await calls_of(log, found))[0]
    assert any(part.text == "Be brief." for part in (await shown(log, first)).parts)
    memory = cast(Any, log)
    kind, name, body = memory.definitions[found.row.definition]
    memory.definitions[found.row.definition] = (kind, name, body.replace(b"Be brief", b"Be short"))
    difference = await replay(log, run)
    assert isinstance(difference, PromptDiffers)
    assert difference.recorded == first
    # And whoever watches all tests would have seen it.
    assert await differences(log, found) == ["run r, event 4: today's prompt is another"]


async def test_registering_again_says_that_nothing_changed(platform: Platform):
    definition = APP.definitions()[0]
    log = platform.on.log
    assert [one.what for one in await register(log, [definition])] == ["unchanged"]
    other = definition.model_copy(update={"instructions": ("Be kind.",)})
    assert [one.what for one in await register(log, [other])] == ["changed"]
