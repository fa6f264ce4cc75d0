"""A new deploy is noticed within a second."""

import asyncio

from actalog_conductor.definitions import FRESH_S, Definitions
from actalog_log.memory import MemoryLog
from tests.unit.actalog_conductor.spec import GATHERS, PLAIN


class Counting(MemoryLog):
    asked = 0

    async def current_definition(self, kind: str, id: str) -> tuple[str, bytes] | None:
        self.asked += 1
        await asyncio.sleep(0)
        return await super().current_definition(kind, id)


async def deployed() -> Counting:
    log = Counting()
    await log.put_definition("sha256:1", "agent", "a", PLAIN.model_dump_json().encode())
    return log


async def test_many_runs_at_once_ask_once():
    log, now = await deployed(), [0.0]
    definitions = Definitions(log, monotonic=lambda: now[0])
    found = await asyncio.gather(*(definitions.current("agent", "a") for _ in range(50)))
    assert {one[0] for one in found if one} == {"sha256:1"}
    assert log.asked == 1
    now[0] = 5.0
    await definitions.current("agent", "a")
    assert log.asked == 2


async def test_a_new_deploy_is_noticed():
    log, now = await deployed(), [0.0]
    definitions = Definitions(log, monotonic=lambda: now[0])
    await definitions.current("agent", "a")
    await log.put_definition("sha256:2", "agent", "a", GATHERS.model_dump_json().encode())
    assert (await definitions.current("agent", "a") or ("",))[0] == "sha256:1"
    now[0] += FRESH_S
    assert await definitions.current("agent", "a") == ("sha256:2", GATHERS)
    assert await definitions.pinned("sha256:1") == PLAIN


async def test_a_name_that_is_unknown_is_asked_for_again():
    log = await deployed()
    definitions = Definitions(log, monotonic=lambda: 0.0)
    assert await definitions.current("agent", "b") is None
    await log.put_definition("sha256:3", "agent", "b", PLAIN.model_dump_json().encode())
    assert await definitions.current("agent", "b") is not None
