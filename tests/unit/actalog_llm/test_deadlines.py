"""How long a model may be silent: before its first token, and between two."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from actalog_contracts.definitions import ModelChoice
from actalog_llm.accumulate_openai import OpenAIAccumulator
from actalog_llm.ask import Answered, ask
from actalog_llm.ports import Opened
from actalog_llm.providers import Endpoint
from actalog_llm.whole import ALIVE, Broken
from tests.unit.actalog_llm.wires import chunk

HOUR_MS = 3_600_000


class Slow:
    """An adapter whose chunks come after these pauses, in seconds; then it ends. In each pause the
    server says so often that it is at work."""

    def __init__(self, *pauses_s: float, opens_s: float = 0.0, alive: int = 0) -> None:
        self.pauses_s, self.opens_s, self.closed = pauses_s, opens_s, False
        self.alive = alive

    def accumulator(self) -> OpenAIAccumulator:
        return OpenAIAccumulator()

    async def open(self, endpoint: Endpoint, body: dict[str, Any], *, connect_s: float) -> Opened:
        await asyncio.sleep(self.opens_s)
        return Opened(self._chunks(), self._close, None)

    async def _chunks(self) -> AsyncIterator[object]:
        for pause_s in self.pauses_s:
            for _ in range(self.alive):
                await asyncio.sleep(pause_s / (self.alive + 1))
                yield ALIVE
            await asyncio.sleep(pause_s / (self.alive + 1))
            yield chunk({"content": "a"})
        yield chunk({}, "stop")

    async def _close(self) -> None:
        self.closed = True


async def asked(adapter: Slow, *, first_ms: int, between_ms: int) -> Answered:
    choice = ModelChoice(
        provider="p", id="m", first_token_timeout_ms=first_ms, between_tokens_timeout_ms=between_ms
    )
    where = Endpoint("openai", "http://model.test", "k")
    async with asyncio.timeout(10):
        return await ask(adapter, where, {}, choice, lambda _kind, _text: None)


@pytest.mark.parametrize("adapter", [Slow(60), Slow(opens_s=60)])
async def test_silence_from_the_begin_on_is_not_waited_for(adapter: Slow):
    with pytest.raises(Broken, match="no token within 30 ms") as told:
        await asked(adapter, first_ms=30, between_ms=HOUR_MS)
    assert told.value.kind == "timeout"


async def test_after_the_first_token_the_shorter_deadline_counts():
    adapter = Slow(0, 60)
    with pytest.raises(Broken, match="no further token within 30 ms") as told:
        await asked(adapter, first_ms=HOUR_MS, between_ms=30)
    assert told.value.kind == "timeout"
    assert adapter.closed


async def test_an_answer_may_take_longer_than_each_silence_within_it():
    adapter = Slow(*[0.08] * 20)
    answered = await asked(adapter, first_ms=500, between_ms=500)
    assert answered.whole.text == "a" * 20


@pytest.mark.parametrize("pauses_s", [(0.8,), (0, 0.8)])
async def test_who_says_that_it_is_at_work_is_waited_for(pauses_s: Sequence[float]):
    """A model that thinks unseen, or writes an argument that is held back until it is whole."""
    adapter = Slow(*pauses_s, alive=7)
    answered = await asked(adapter, first_ms=400, between_ms=400)
    assert answered.whole.text == "a" * len(pauses_s)


async def test_silence_after_a_sign_of_life_is_noticed():
    with pytest.raises(Broken, match="no token within 50 ms"):
        await asked(Slow(60, alive=1_200), first_ms=50, between_ms=HOUR_MS)


async def test_silence_after_many_tokens_is_noticed():
    adapter = Slow(*[0.05] * 8, 60)
    with pytest.raises(Broken, match="no further token within 300 ms"):
        await asked(adapter, first_ms=HOUR_MS, between_ms=300)


@pytest.mark.parametrize("pauses_s", [(60,), (0, 60)])
async def test_who_cancels_is_told_so(pauses_s: Sequence[float]):
    work = asyncio.ensure_future(asked(Slow(*pauses_s), first_ms=HOUR_MS, between_ms=HOUR_MS))
    await asyncio.sleep(0.02)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work


async def test_nothing_rings_once_the_answer_is_there():
    said: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, what: said.append(what))
    await asked(Slow(0), first_ms=40, between_ms=40)
    await asyncio.sleep(0.1)
    loop.set_exception_handler(None)
    assert not said
