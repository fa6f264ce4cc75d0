"""One world for each test."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.gateway.world import World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    await made.deploy()
    yield made
    await made.bus.stop(1)
