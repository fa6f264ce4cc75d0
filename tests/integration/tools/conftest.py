"""A world that is stopped after each test."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.tools.world import World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    await made.stop()
