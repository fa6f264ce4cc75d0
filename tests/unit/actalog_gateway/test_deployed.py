"""What is deployed is known for a second, and what is unknown is looked up at once."""

from collections.abc import Sequence

import pytest

from actalog_gateway.deployed import FRESH_S, Deployed
from actalog_gateway.problems import Problem
from actalog_log.memory import MemoryLog
from tests.unit.actalog_conductor.spec import GATHERS, PLAIN


class Counting(MemoryLog):
    asked = 0

    async def current_definitions(self) -> Sequence[tuple[str, str, str, bytes]]:
        self.asked += 1
        return await super().current_definitions()


async def deployed(*ids: str) -> Counting:
    log = Counting()
    for id in ids:
        await log.put_definition(f"sha256:{id}", "agent", id, PLAIN.model_dump_json().encode())
    return log


async def test_within_a_second_it_is_asked_for_once():
    log, now = await deployed("a"), [0.0]
    known = Deployed(log, monotonic=lambda: now[0])
    assert await known.target("a") == await known.target("agent:a") == "agent:a"
    assert await known.agent("a") is await known.agent("a") == PLAIN
    assert log.asked == 1
    now[0] += FRESH_S
    await known.agent("a")
    assert log.asked == 2


async def test_a_new_deploy_is_noticed():
    log, now = await deployed("a", "b"), [0.0]
    known = Deployed(log, monotonic=lambda: now[0])
    before = await known.agent("b")
    assert await known.agent("a") == PLAIN
    await log.put_definition("sha256:2", "agent", "a", GATHERS.model_dump_json().encode())
    assert await known.agent("a") == PLAIN
    now[0] += FRESH_S
    assert await known.agent("a") == GATHERS
    assert await known.agent("b") is before  # the same body is read once


async def test_what_is_unknown_is_looked_up_at_once():
    log = await deployed("a")
    known = Deployed(log, monotonic=lambda: 0.0)
    assert await known.agent("b") is None
    with pytest.raises(Problem, match="deployed: agent:a"):
        await known.target("agent:b")
    await log.put_definition("sha256:b", "agent", "b", PLAIN.model_dump_json().encode())
    assert await known.target("b") == "agent:b"
    assert await known.agent("b") == PLAIN


async def test_an_id_that_two_kinds_have_is_no_target():
    log = await deployed("a")
    await log.put_definition("sha256:t", "team", "a", b"{}")
    known = Deployed(log)
    with pytest.raises(Problem, match="there is no 'a'"):
        await known.target("a")
    assert await known.target("team:a") == "team:a"
