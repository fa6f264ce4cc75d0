"""Worlds that are stopped, whatever happens in the test."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from actalog_contracts.definitions import AgentDefinition
from tests.integration.llm.world import SUPPORT, Make, World


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    made: list[World] = []

    def one(definition: AgentDefinition = SUPPORT, **more: Any) -> World:
        made.append(World(definition=definition, **more))
        return made[-1]

    yield one
    for world in made:
        await world.stop()


@pytest.fixture
def world(make: Make) -> World:
    return make()
