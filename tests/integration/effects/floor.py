"""The platform around the shop: services are processes of their own, over a real log and the
embedded broker."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actalog_contracts.runs import RunEvent
from actalog_core.events import decode
from actalog_log.database import connect
from actalog_log.postgres import PostgresLog
from actalog_testing.scripted import ScriptedServer
from tests.acceptance.outside import Outside
from tests.acceptance.processes import Fleet


@dataclass
class Shop:
    """What a test holds of it. `model` is the scripted server that the llm service asks."""

    fleet: Fleet
    outside: Outside
    folder: Path
    model: ScriptedServer

    def journal(self) -> list[str]:
        path = self.folder / "journal"
        return path.read_text().splitlines() if path.exists() else []

    async def until(self, true: Callable[[], object], within_s: float = 60) -> None:
        async with asyncio.timeout(within_s):
            while not true():  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def killed_within(self, agent: str) -> None:
        """A run of this agent, whose tools process dies while the tool stands still."""
        (self.folder / "stand still").touch()
        await self.outside.send(
            {"target": f"agent:{agent}", "input": "Charge order 1042", "run_id": "r"}
        )
        await self.until(self.journal)
        self.fleet.kill("tools-0")
        (self.folder / "stand still").unlink()
        self.fleet.spawn("tools")
        await self.fleet.ready("tools-0")

    async def result(self, status: str) -> dict[str, Any]:
        """The last result of that status."""

        def found() -> list[dict[str, Any]]:
            return [one for one in self.outside.results if one.get("status") == status]

        await self.until(found)
        return found()[-1]

    async def of(self, run_id: str, status: str) -> dict[str, Any]:
        """The result of that run and status."""

        def found() -> list[dict[str, Any]]:
            return [
                one for one in self.outside.results
                if (one.get("run_id"), one.get("status")) == (run_id, status)
            ]  # fmt: skip

        await self.until(found)
        return found()[0]

    async def joined(self, name: str) -> None:
        """A second process of that service shares the work."""
        self.fleet.spawn(name, 1)
        await self.fleet.ready(f"{name}-1")

    async def ended(self, each: str) -> int:
        """SIGTERM, as a deploy does; its exit status."""
        process = self.fleet.running.pop(each)
        process.terminate()
        return await asyncio.to_thread(process.wait, 30)

    async def claimed(self, calls: int) -> None:
        """So many calls are held by somebody."""
        connection = await connect(self.fleet.env["ACTALOG_DATABASE_URL"])
        held = "select count(*) from calls where not settled"
        try:
            async with asyncio.timeout(60):
                while await connection.fetchval(held) < calls:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        finally:
            await connection.close()

    async def story(self, run_id: str) -> Sequence[RunEvent]:
        """What the log has of a run."""
        log = PostgresLog(self.fleet.env["ACTALOG_DATABASE_URL"])
        await log.start()
        try:
            found = await log.find_run("default", run_id)
            assert found is not None, f"no run {run_id}"
            return [decode(one.type, one.payload) for one in await log.read(found.row.run_no)]
        finally:
            await log.stop()


def alive(pid: int) -> bool:
    """Whether there is such a process; a zombie is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
