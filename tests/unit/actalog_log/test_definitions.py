"""What a run has pinned is read once, and costs bounded memory."""

import pytest

from actalog_contracts.definitions import AgentDefinition, ModelChoice
from actalog_log import definitions
from actalog_log.definitions import PinnedDefinitions, UnknownDefinition
from actalog_log.memory import MemoryLog


class Counting(MemoryLog):
    asked = 0

    async def get_definition(self, digest: str) -> bytes | None:
        self.asked += 1
        return await super().get_definition(digest)


async def deployed(*names: str) -> Counting:
    log = Counting()
    for name in names:
        made = AgentDefinition(id=name, name=name, model=ModelChoice(provider="openai", id="m"))
        await log.put_definition(f"sha256:{name}", "agent", name, made.model_dump_json().encode())
    return log


async def test_a_definition_is_read_once():
    log = await deployed("a")
    known = PinnedDefinitions(log)
    assert [(await known.pinned("sha256:a")).id for _ in range(3)] == ["a", "a", "a"]
    assert log.asked == 1


async def test_one_that_nobody_registered_is_asked_for_again():
    log = await deployed()
    known = PinnedDefinitions(log)
    for _ in range(2):
        with pytest.raises(UnknownDefinition):
            await known.pinned("sha256:a")
    assert log.asked == 2


async def test_very_many_are_not_all_kept(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(definitions, "MOST", 2)
    log = await deployed("a", "b", "c")
    known = PinnedDefinitions(log)
    for name in "abcab":
        assert (await known.pinned(f"sha256:{name}")).id == name
    assert log.asked == 5
