"""A gateway as a process of its own: `python -m tests.integration.gateway.alone BOOTSTRAP
embedded|apache DSN PREFIX PORT`."""

import asyncio
import signal
import sys

import uvloop

from actalog_bus.kafka import KafkaBus
from actalog_core.service import Service
from actalog_core.settings import Settings
from actalog_gateway.app import build_app
from actalog_log.postgres import PostgresLog
from tests.integration.gateway.two import kafka_settings


async def main(bootstrap: str, broker: str, dsn: str, prefix: str, port: str) -> None:
    """Until it is told to end."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    bus, log = KafkaBus(kafka_settings(bootstrap, embedded=broker == "embedded")), PostgresLog(dsn)
    await log.start()
    settings = Settings(port=int(port), topic_prefix=prefix)
    service: Service = build_app(bus=bus, log=log, settings=settings)
    await service.start()
    await bus.start()
    await ended.wait()
    await bus.stop(1)
    await service.stop()
    await log.stop()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
