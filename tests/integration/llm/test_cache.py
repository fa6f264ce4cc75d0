"""What a warm worker keeps of runs."""

from typing import Any

import pytest

from actalog_contracts.runs import ContextBuilt, HistoryRun, ModelReplied, RunStarted
from actalog_llm.prompt.cache import PromptCache
from actalog_testing.scripted import Reply
from tests.integration.llm.world import World, accepted

TASK_S, AGENT_S = '{"title":"task"}', '{"title":"agent"}'


@pytest.fixture
async def began(world: World) -> World:
    await world.start()
    return world


async def begin(world: World, run_id: str, *, history: Any = (), **more: Any) -> None:
    context = ContextBuilt(history=history)
    await world.write([accepted(f"input of {run_id}", **more), RunStarted(), context], run_id)


async def schemas(world: World, run_id: str, definition: str) -> list[str]:
    prompt = await PromptCache(world.log).prompt(world.command(run_id, definition=definition))
    return [part.text for part in prompt.parts if part.kind == "schema"]


async def test_a_task_s_own_schema_goes_before_its_agent_s(began: World):
    strict = began.definition.model_copy(update={"output_schema": AGENT_S})
    await began.log.put_definition("sha256:s", "agent", "a", strict.model_dump_json().encode())
    await begin(began, "own", output_schema=TASK_S)
    await begin(began, "plain")
    assert await schemas(began, "own", "sha256:s") == [TASK_S]
    assert await schemas(began, "own", "sha256:a") == [TASK_S]
    assert await schemas(began, "plain", "sha256:s") == [AGENT_S]
    assert await schemas(began, "plain", "sha256:a") == []


def kept(cache: PromptCache) -> list[int]:
    assert cache.chars == sum(run.size for run in cache.runs.values())
    return list(cache.runs)


async def test_what_is_kept_is_counted_and_the_least_used_goes_first(began: World):
    began.server.follow([Reply("x" * 100)] * 9)
    cache = PromptCache(began.log, most=2)
    numbers: list[int] = []
    for run_id in ("a", "b"):
        await begin(began, run_id)
        numbers.append(began.runs[run_id].row.run_no)
        for turn in (1, 2, 3):
            await cache.prompt(began.command(run_id))
            reply = await began.ask(run_id, turn)
            assert isinstance(reply, ModelReplied)
            await began.write([reply], run_id)
        await cache.prompt(began.command(run_id))
    assert kept(cache) == numbers
    assert cache.chars > 100
    await cache.prompt(began.command("a"))
    assert kept(cache) == numbers[::-1]
    old = began.command("a", seq=3)  # a command that comes late changes nothing
    prompt = await cache.prompt(old)
    assert [part.role for part in prompt.parts] == ["system", "user"]
    assert kept(cache) == numbers[::-1]
    await begin(began, "c")
    await cache.prompt(began.command("c"))
    assert kept(cache) == [numbers[0], began.runs["c"].row.run_no]


async def test_texts_are_bounded_however_few_the_runs(began: World):
    began.server.follow([Reply("x" * 100)] * 9)
    cache = PromptCache(began.log, most_chars=150)
    for run_id in ("a", "b"):
        await begin(began, run_id)
        for turn in (1, 2):
            await began.write([await began.ask(run_id, turn)], run_id)
        await cache.prompt(began.command(run_id))
        kept(cache)
    assert kept(cache) == [began.runs["b"].row.run_no]
    history = (HistoryRun(run_no=began.runs["a"].row.run_no, run_id="a", seq=4),)
    await begin(began, "c", history=history)
    prompt = await cache.prompt(began.command("c"))
    assert [part.text for part in prompt.parts][-3:] == ["input of a", "x" * 100, "input of c"]
    kept(cache)
