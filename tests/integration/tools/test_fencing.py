"""Who stood still for longer than its lease begins nothing that another has, and the outside can
tell attempts apart."""

import asyncio
import threading
import time
from datetime import timedelta

import pytest

from actalog_contracts.runs import ToolFailed, ToolReturned
from actalog_log.call_ports import ledger_key
from actalog_tools.reconciling import NOT_DONE
from actalog_tools.threads import Threads
from tests.integration.tools.test_faults import after_a_death
from tests.integration.tools.world import World, until

LEASE_MS = 60_000
ASLEEP_S = LEASE_MS / 1_000 + 10


class Asleep(World):
    """Its process can stand still, while a call waits for the one thread that there is."""

    def __init__(self) -> None:
        self.slept_s = 0.0
        super().__init__(
            lease_ms=LEASE_MS, threads=Threads(most=1),
            monotonic=lambda: time.monotonic() + self.slept_s,
        )  # fmt: skip
        self.go = threading.Event()
        self.acted: list[str] = []

    async def sleeps_over(self, effect: str) -> None:
        """A call waits behind another; then everything stands still."""

        def holds() -> str:
            self.go.wait(5)
            return ""

        def acts() -> str:
            self.acted.append("acted")
            return "acted"

        await self.accept()
        await self.start(holds=holds, acts=acts)
        await self.ask("holds", call_id="1")
        await until(lambda: self.threads.slots.locked())
        await self.ask("acts", call_id="2", effect=effect)
        await until(lambda: ledger_key(1, "2") in self.log.calls.rows)
        await asyncio.sleep(0.05)
        self.slept_s = ASLEEP_S

    async def wakes(self) -> ToolReturned | ToolFailed:
        self.go.set()
        await self.bus.drained()
        told = self.outcomes()[-1]
        await self.stop()
        assert isinstance(told, (ToolReturned, ToolFailed))
        return told


@pytest.mark.parametrize("effect", ["once", "reconciled"])
async def test_6_4_what_another_has_by_now_is_not_begun(effect: str):
    world = Asleep()
    await world.sleeps_over(effect)
    row = world.log.calls.rows[ledger_key(1, "2")]
    row.lease_until -= timedelta(seconds=ASLEEP_S)
    taken = await world.log.calls.claim(
        ledger_key(1, "2"), run_no=1, holder="another", lease_ms=LEASE_MS
    )
    assert taken.state == "expired"
    told = await world.wakes()
    assert isinstance(told, ToolFailed)
    assert (told.kind, world.acted) == ("cancelled", [])
    assert "stood still and lost the call" in told.message


@pytest.mark.parametrize("effect", ["once", "reconciled", "idempotent"])
async def test_what_nobody_took_meanwhile_is_begun_once(effect: str):
    world = Asleep()
    await world.sleeps_over(effect)
    told = await world.wakes()
    assert isinstance(told, ToolReturned)
    assert (told.content, world.acted) == ("acted", ["acted"])


async def test_each_attempt_has_a_higher_fencing_token_and_the_reconciler_that_of_the_next():
    tokens: list[tuple[str, int]] = []

    async def pay(fencing_token: int) -> str:
        tokens.append(("pay", fencing_token))
        if len(tokens) == 1:
            await asyncio.sleep(60)
        return "paid"

    def asks(fencing_token: int) -> object:
        tokens.append(("asks", fencing_token))
        return NOT_DONE

    pay.reconciler = asks  # type: ignore[attr-defined]
    outcome = await after_a_death(pay, "reconciled", lambda: tokens)
    assert isinstance(outcome, ToolReturned)
    assert tokens == [("pay", 1), ("asks", 2), ("pay", 2)]
