"""The llm service: a command comes, a model is asked, one reply goes."""

from collections.abc import AsyncIterator

import pytest

from actalog_contracts.runs import ModelReplied
from actalog_testing.scripted import Reply
from tests.integration.llm.world import World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    await made.stop()


async def test_a_command_becomes_one_whole_reply(world: World):
    world.server.follow([Reply("Order 1042 left on Tuesday.", chunks=3)])
    await world.start()
    await world.begin()
    reply = await world.ask()
    assert isinstance(reply, ModelReplied)
    assert (reply.text, reply.finish, reply.epoch) == ("Order 1042 left on Tuesday.", "stop", 1)
    assert (reply.provider, reply.model, reply.usage.model_calls) == ("openai", "gpt-x", 1)
    assert [one.kind for one in reply.attempts] == [None]
