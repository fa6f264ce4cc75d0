"""PostgreSQL and the topics of a stage, as faults need them: with the same address after a death."""

import asyncio
import signal
from pathlib import Path

from actalog.embedded.postgres import EmbeddedPostgres
from actalog_bus.processes import free_port
from actalog_testing.apache_kafka import ApacheKafka


class Database(EmbeddedPostgres):
    """A server that comes back on its port."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.port = 0

    @property
    def dsn(self) -> str:
        return self.address(self.port)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    async def start(self) -> str:
        """See `EmbeddedPostgres.start`; on the port of the first start."""
        if not self.port:
            await self._create()
            self.port = free_port()
        self.process = self._spawn(self.port)
        await self._answers(self.dsn)
        return self.dsn

    async def kill(self) -> None:
        """Immediate shutdown: nothing is written any more, the log has to be recovered."""
        assert self.process is not None
        self.process.send_signal(signal.SIGQUIT)
        await asyncio.to_thread(self.process.wait)


class Broker(ApacheKafka):
    """A node with a second listener behind a proxy, which it tells its clients of.

    A killed node waits, when it is started again, until the session that it had has run out: nine
    seconds by default, in which it takes nothing. Here it is two.
    """

    def __init__(self, folder: Path, *, pom: Path) -> None:
        super().__init__(folder, pom=pom)
        self.behind, self.proxy = free_port(), free_port()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def _format(self, config: Path) -> None:
        super()._format(config)
        own, controller = f"127.0.0.1:{self._port}", f"127.0.0.1:{self._controller}"
        told = f"""\
listeners=PLAINTEXT://{own},CONTROLLER://{controller},PROXIED://127.0.0.1:{self.behind}
advertised.listeners=PLAINTEXT://{own},PROXIED://127.0.0.1:{self.proxy}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
"""
        with config.open("a") as properties:
            properties.write(told)
