import asyncio

import pytest
import structlog

from actalog_core import waiting


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    told: list[float] = []

    async def sleep(seconds: float) -> None:
        told.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return told


async def test_a_wait_is_said_once_and_again_after_a_minute(slept: list[float]):
    now = 0.0
    made = waiting.Waiting(monotonic=lambda: now)
    with structlog.testing.capture_logs() as lines:
        for at in (0.0, 1.0, 2.0, 59.0, 61.0):
            now = at
            await made.pause("no broker")
        made.over()
        made.over()
    assert [one["event"] for one in lines] == ["waiting", "waiting", "waited enough"]
    assert slept == [0.2, 0.4, 0.8, 1.6, 3.2]


async def test_something_else_that_is_waited_for_is_said_at_once(slept: list[float]):
    made = waiting.Waiting()
    with structlog.testing.capture_logs() as lines:
        await made.pause("no broker")
        await made.pause("no topic")
    assert [one["what"] for one in lines] == ["no broker", "no topic"]
    for _ in range(5):
        await made.pause("no topic")
    assert slept[-1] == 5.0


async def test_what_is_there_at_once_is_not_spoken_of():
    with structlog.testing.capture_logs() as lines:
        waiting.Waiting().over()
    assert lines == []
