"""Two tools services over one database: every call is run by one of them, once."""

import asyncio
from collections import Counter

import pytest

from actalog_bus.memory import MemoryBroker, MemoryBus
from actalog_core.service import Service
from actalog_core.settings import Settings
from actalog_log.calls import PostgresCalls
from actalog_log.postgres import PostgresLog
from actalog_tools.app import build_app
from tests.integration.tools.world import World

CALLS = 100


@pytest.mark.postgres
@pytest.mark.parametrize("effect", ["once", "read_only"])
async def test_what_two_services_hear_many_times_runs_once(fresh_database: str, effect: str):
    ran: list[str] = []

    async def charge(name: str) -> str:
        ran.append(name)
        await asyncio.sleep(0)
        return name

    def plain(name: str) -> str:
        ran.append(name)
        return name

    asker = await World().start()  # its bus carries the commands; its service is left alone
    broker = MemoryBroker()
    logs = [PostgresLog(fresh_database, connections=3) for _ in range(2)]
    buses = [MemoryBus(broker=broker) for _ in logs]  # each hears everything
    services: list[Service] = []
    for log, bus in zip(logs, buses, strict=True):
        await log.start()
        service = build_app(
            bus=bus, log=log, calls=PostgresCalls(log.pool), settings=Settings(), holder="t",
            callables={"agent:a/tools/charge": charge, "agent:a/tools/plain": plain},
        )  # fmt: skip
        await service.start()
        await bus.start()
        services.append(service)
    asker.postman.bus = buses[0]
    for at in range(CALLS):
        name = "charge" if at % 2 else "plain"
        await asker.ask(name, f'{{"name": "{at}"}}', call_id=f"c{at}", effect=effect)
    for bus in buses:
        await bus.drained()
    buses[1].redeliver("actalog.tools")
    await buses[1].drained()
    asker.bus, bus = buses[0], asker.bus
    answered = Counter(one.call_id for one in asker.outcomes())
    assert answered.keys() == {f"c{at}" for at in range(CALLS)}
    if effect == "once":
        assert Counter(ran).most_common(1)[0][1] == 1
    for one, service, log in zip(buses, services, logs, strict=True):
        await one.stop()
        await service.stop()
        await log.stop()
    asker.bus = bus
    await asker.stop()
