"""When a member gives its own place up."""

from types import SimpleNamespace
from typing import Any

import pytest

from actalog_bus.places import LOST_AGAIN_S, shared_with_nobody

JOINED, FENCED, UNKNOWN_MEMBER = 0, 82, 25


class Coordinator:
    """What is used of aiokafka's."""

    def __init__(self) -> None:
        self._group_instance_id: str | None = "g.0.0"
        self.answers: list[int | None] = []
        self.resets = 0

    async def _send_req(self, _: object) -> Any:
        code = self.answers.pop(0)
        return SimpleNamespace(error_code=code) if code is not None else SimpleNamespace()

    def reset_generation(self) -> None:
        self.resets += 1


class Member:
    def __init__(self) -> None:
        self.now = 100.0
        self.coordinator: Any = Coordinator()
        consumer = SimpleNamespace(_coordinator=self.coordinator)
        shared_with_nobody(consumer, group="g", instance="0", clock=lambda: self.now)

    @property
    def has_place(self) -> bool:
        return self.coordinator._group_instance_id is not None

    def loses(self, *, after_s: float = 0.0) -> None:
        self.now += after_s
        self.coordinator.reset_generation()

    async def told(self, code: int | None) -> Any:
        self.coordinator.answers = [code]
        return await self.coordinator._send_req("join")


def test_a_place_that_is_lost_once_in_a_while_is_kept():
    member = Member()
    member.loses()
    member.loses(after_s=LOST_AGAIN_S)
    member.loses(after_s=LOST_AGAIN_S + 1)
    assert member.has_place
    assert member.coordinator.resets == 3


def test_a_place_that_is_lost_twice_in_a_while_is_another_s():
    member = Member()
    member.loses()
    member.loses(after_s=LOST_AGAIN_S)
    member.loses(after_s=LOST_AGAIN_S - 1)
    assert not member.has_place
    assert member.coordinator.resets == 3


async def test_the_broker_s_word_for_it_is_believed_at_once_and_one_joins_anew():
    member = Member()
    assert (await member.told(FENCED)).error_code == UNKNOWN_MEMBER
    assert not member.has_place


@pytest.mark.parametrize("code", [JOINED, UNKNOWN_MEMBER, None])
async def test_other_answers_stay_as_they_are(code: int | None):
    member = Member()
    assert getattr(await member.told(code), "error_code", None) == code
    assert member.has_place
