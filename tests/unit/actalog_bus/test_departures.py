"""What need not leave at once leaves with what must, and nothing overtakes anything."""

import asyncio

import pytest

from actalog_bus import departures as module
from actalog_bus.departures import Departures


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


class Station:
    def __init__(self) -> None:
        self.departures, self.left = Departures(), list[str]()

    async def leave(self, name: str, *, waits: bool) -> None:
        await self.departures.turn(waits=waits)
        self.left.append(name)

    def begin(self, name: str, *, waits: bool) -> "asyncio.Task[None]":
        return asyncio.create_task(self.leave(name, waits=waits))


async def test_where_nobody_waits_whoever_must_not_leaves_at_once():
    station = Station()
    with pytest.raises(StopIteration):
        station.leave("a", waits=False).send(None)
    assert station.left == ["a"]


async def test_what_waits_leaves_with_the_next_that_does_not_and_before_it():
    station = Station()
    tasks = [station.begin(name, waits=True) for name in "abc"]
    await turns()
    assert station.left == []
    tasks += [station.begin("d", waits=False), station.begin("e", waits=False)]
    await asyncio.wait_for(asyncio.gather(*tasks), 1)
    assert station.left == ["a", "b", "c", "d", "e"]


async def test_what_waits_leaves_a_moment_later_by_itself(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "SOON_S", 0.02)
    station = Station()
    tasks = [station.begin(name, waits=True) for name in "ab"]
    await turns()
    assert station.left == []
    await asyncio.wait_for(asyncio.gather(*tasks), 5)
    assert station.left == ["a", "b"]
    again = station.begin("c", waits=True)  # the moment begins anew
    await turns()
    assert station.left == ["a", "b"]
    await asyncio.wait_for(again, 5)


async def test_who_gives_up_waiting_holds_up_nobody():
    station = Station()
    gone, stays = station.begin("a", waits=True), station.begin("b", waits=True)
    await turns()
    gone.cancel()
    await turns()
    station.departures.go()
    await asyncio.wait_for(stays, 1)
    assert station.left == ["b"]


async def test_nobody_overtakes_those_who_were_told_to_go_and_have_not_gone():
    station = Station()
    first = station.begin("a", waits=True)
    await turns()
    loop = asyncio.get_running_loop()
    more: list[asyncio.Task[None]] = []
    loop.call_soon(station.departures.go)
    loop.call_soon(lambda: more.append(station.begin("b", waits=False)))
    await asyncio.wait_for(first, 1)
    await asyncio.wait_for(more[0], 1)
    assert station.left == ["a", "b"]


async def test_who_is_cancelled_when_it_was_told_to_go_holds_up_nobody():
    station = Station()
    gone = station.begin("a", waits=True)
    await turns()
    station.departures.go()
    gone.cancel()
    await asyncio.wait([gone])
    with pytest.raises(StopIteration):
        station.leave("b", waits=False).send(None)
