"""`python -m tests.chaos.cell_rest READY NAME...`: services that do not die, in one process, on
the servers that the settings name. `READY` is a file that is there once they hear."""

import asyncio
import sys
from pathlib import Path
from typing import cast

from actalog.cli.author import load
from actalog.cli.reach import Reach
from actalog.cli.signals import until_signal
from actalog.names import Name
from actalog.platform import Platform
from actalog.services import Ground
from actalog_bus.kafka import KafkaBus
from actalog_log.calls import PostgresCalls
from actalog_log.memories_postgres import PostgresMemories
from actalog_log.postgres import PostgresLog


class Rest:
    """See `Lasting`."""

    def __init__(self, ready: Path, names: list[Name]) -> None:
        self.told, self.names = ready, names

    async def run(self) -> None:
        reach = Reach.from_env()
        self.log = PostgresLog(reach.dsn)
        await self.log.start()
        ground = Ground(
            bus=KafkaBus(reach.kafka_settings()), log=self.log, calls=PostgresCalls(self.log.pool),
            memories=PostgresMemories(self.log.pool), settings=reach.settings,
            callables=load(reach.settings.app or "").callables(),
        )  # fmt: skip
        self.platform = Platform(ground, names=self.names)
        await self.platform.start()
        while await self.platform.missing():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        self.told.touch()
        await asyncio.Event().wait()

    async def stop(self) -> None:
        await self.platform.stop()
        await self.log.stop()


if __name__ == "__main__":
    rest = Rest(Path(sys.argv[1]), [cast(Name, name) for name in sys.argv[2:]])
    asyncio.run(until_signal(rest))
