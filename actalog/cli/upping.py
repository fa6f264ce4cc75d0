"""The whole platform in one process: from nothing to the last result, and away again."""

import asyncio
import importlib
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from actalog.cli import platform_file, task_file
from actalog.cli.author import EXAMPLE, AppBroken, load
from actalog.cli.common import complain
from actalog.cli.lock import HomeLock
from actalog.cli.output import console, write_json
from actalog.cli.servers import Servers
from actalog.embedded.ports import usable_port
from actalog_core import logging, tracing
from actalog_core.clock import rfc3339, system_clock
from actalog_core.service import in_order
from actalog_core.settings import Settings, setting

if TYPE_CHECKING:
    from actalog.cli.reloading import Watch

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The options of `actalog up`."""

    app: str | None = None
    tasks: Path | None = None
    exit: bool = False
    port: int | None = None
    kafka_port: int | None = None
    reload: bool = False
    json: bool = False


class Up:
    """See `Lasting`. What was started is stopped in reverse, whatever happens."""

    def __init__(self, wanted: Wanted) -> None:
        self.began = time.perf_counter()
        self.wanted = wanted
        told = Settings.from_env()
        self.app_name = wanted.app or told.app or EXAMPLE
        port = usable_port(told.host, wanted.port or told.port, wanted=_asked_port(wanted))
        self.settings = told.model_copy(update={"port": port, "app": self.app_name})
        self.tasks = task_file.read(wanted.tasks) if wanted.tasks else []
        self.lock = HomeLock(told.home)
        self.servers = Servers(self.settings, kafka_port=wanted.kafka_port)
        self.undo: list[Callable[[], Any]] = []
        self.watch: Watch | None = None
        self.again = False

    async def run(self) -> int | None:
        """Start everything; with tasks, work on them; then last, or end."""
        self._observe()
        self.lock.take()
        self.undo.append(self.lock.release)
        self.undo.append(self.servers.stop)
        # The servers are processes of their own: our imports cost no time while they start.
        starting = asyncio.ensure_future(self.servers.start())
        try:
            author = await asyncio.to_thread(self._load)
            await starting
        except AppBroken as error:
            if self.watch is None:
                raise
            complain(str(error))
            return await self._last()  # the next change may mend it
        finally:
            starting.cancel()
        await self._assemble(author)
        self._write_file()
        if not self.wanted.json:
            self._greet()
        if self.wanted.tasks is not None:
            status = await self._work()
            if self.wanted.exit:
                return status
        return await self._last()

    async def stop(self) -> None:
        """Drain, disconnect, stop the servers; start again where a reload asks for it."""
        while self.undo:
            made = self.undo.pop()()
            if made is not None:
                await in_order(made)
        if self.again:
            from actalog.cli.reloading import start_again

            start_again()

    def _observe(self) -> None:
        settings = self.settings
        # What a person watches are the answers; without a terminal the log is the story.
        told = os.environ.get("ACTALOG_LOG_LEVEL") or self.wanted.tasks is None
        level = settings.log_level if told else "warning"
        logging.configure(level=level, format=settings.log_format, service="platform")
        if wrong := tracing.configure(os.environ, service="platform"):
            log.warning(wrong)

    def _load(self) -> Any:
        """The author's App, and all services' modules, while the servers start."""
        importlib.import_module("actalog.cli.assembling")
        if self.wanted.reload:
            from actalog.cli.reloading import Watch

            self.watch = Watch(self.app_name)
        return load(self.app_name)

    async def _assemble(self, author: Any) -> None:
        from actalog.cli.assembling import Assembly

        assembly = Assembly(self.settings, self.servers, author)
        self.undo.append(assembly.stop)
        await assembly.start()
        self.assembly = assembly

    def _write_file(self) -> None:
        self.http = f"http://{_dialled(self.settings.host)}:{self.settings.port}"
        told = platform_file.PlatformFile(
            pid=os.getpid(), kafka=self.servers.kafka.bootstrap, database_url=self.servers.dsn,
            http=self.http, started_at=rfc3339(system_clock()),
        )  # fmt: skip
        self.undo.append(lambda: platform_file.remove(self.settings.home))
        platform_file.write(self.settings.home, told)

    def _greet(self) -> None:
        from actalog.cli.greeting import greeting

        for line in greeting(
            http=self.http, servers=self.servers, assembly=self.assembly, app=self.app_name,
            took_s=time.perf_counter() - self.began,
        ):  # fmt: skip
            print(line, flush=True)

    async def _work(self) -> int:
        from actalog.cli.board import Board
        from actalog.cli.showing import show_one
        from actalog.cli.tasks import failed, publish_and_follow, summary

        out, began = console(), time.perf_counter()
        if self.wanted.json:
            out.quiet = True
        results = await publish_and_follow(
            self.tasks, self.servers.kafka, prefix=self.settings.topic_prefix, board=Board(out)
        )
        if self.wanted.json:
            write_json(results)
        else:
            print(f"\n{summary(results, time.perf_counter() - began)}", flush=True)
            await show_one(out, self.assembly.log, results)
        sys.stdout.flush()
        return 1 if any(failed(one) for one in results) else 0

    async def _last(self) -> None:
        if self.watch is not None:
            await self.watch.changed()
            self.again = True
            return
        await asyncio.Event().wait()


def _asked_port(wanted: Wanted) -> str | None:
    """Which option or setting asks for the port; None: nobody, so a free one will do."""
    if wanted.port is not None:
        return "--port"
    return "ACTALOG_PORT" if setting(os.environ, "ACTALOG_PORT") else None


def _dialled(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)
