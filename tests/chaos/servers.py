"""PostgreSQL and the topics of a stage, as faults need them: with the same address after a death."""

import asyncio
import signal
from pathlib import Path

from actalog.embedded.postgres import EmbeddedPostgres
from actalog_bus.processes import free_port


class Database(EmbeddedPostgres):
    """A server that comes back on its port."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.port = 0

    @property
    def dsn(self) -> str:
        return f"postgresql://actalog@127.0.0.1:{self.port}/postgres"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    async def start(self) -> str:
        """See `EmbeddedPostgres.start`; on the port of the first start."""
        if not self.port:
            await self._create()
            self.port = free_port()
        with self.log.open("ab") as log:
            self.process = self._spawn(self.port, log)
        await self._answers(self.dsn)
        return self.dsn

    async def kill(self) -> None:
        """Immediate shutdown: nothing is written any more, the log has to be recovered."""
        assert self.process is not None
        self.process.send_signal(signal.SIGQUIT)
        await asyncio.to_thread(self.process.wait)
