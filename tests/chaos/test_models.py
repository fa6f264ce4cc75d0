"""The model server counts what was answered to the end, and that once."""

import asyncio

import httpx
import pytest

from actalog_testing.scripted import Reply
from tests.chaos.models import Models

BODY = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hello"}]}


@pytest.mark.parametrize("delay_ms", [0, 20])
async def test_an_answer_counts_once_and_one_that_was_hung_up_on_does_not(delay_ms: int):
    models = Models(lambda _: Reply("some words of an answer", delay_ms=delay_ms))
    address = f"{await models.start()}/v1/chat/completions"
    try:
        async with httpx.AsyncClient() as client:
            for _ in range(2):
                said = await client.post(address, json=BODY)
                assert "[DONE]" in said.text
            assert list(models.whole.values()) == [2]
            models.follow(lambda _: Reply("it takes long", delay_ms=300))
            with pytest.raises(httpx.ReadTimeout):
                await client.post(address, json=BODY, timeout=0.2)
        await asyncio.sleep(1.5)
        assert list(models.whole.values()) == [2]
        assert models.count == 3
    finally:
        await models.stop()
