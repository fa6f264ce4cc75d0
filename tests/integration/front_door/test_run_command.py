"""`actalog run` over a real broker, where somebody else plays the platform: how it ends."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from actalog.cli.main import app
from actalog_bus.kafka import KafkaBus
from actalog_bus.ports import Bus, Delivery, Listen
from actalog_bus.provision import plan, provision
from actalog_bus.settings import KafkaSettings

pytestmark = pytest.mark.kafka
ERROR = {"code": "input_blocked", "message": "prompt injection", "source": "guardrails"}


class Platform:
    """Gives every task this result."""

    result: Mapping[str, Any] = {}

    def __init__(self, bus: Bus, env: dict[str, str]) -> None:
        self.bus, self.env = bus, env
        prefix = env["ACTALOG_TOPIC_PREFIX"]
        self.results = f"{prefix}.results"
        listen = Listen([f"{prefix}.tasks"], f"{prefix}.conductor", self.hear, lambda _: "")
        bus.listen(listen)

    async def hear(self, delivery: Delivery) -> None:
        task = json.loads(delivery.record.value or b"")
        told = {"type": "run.result.v1", "run_id": task["run_id"], "error": None, **self.result}
        await self.bus.publish(self.results, value=json.dumps(told).encode())

    async def asked(self, *words: str) -> tuple[int, str, str]:
        runner = CliRunner(env=self.env)
        said = await asyncio.to_thread(runner.invoke, app, ["run", "a", "Hello?", *words])
        return said.exit_code, said.stdout, said.stderr


@pytest.fixture
async def platform(embedded_broker: str, tmp_path: Path) -> AsyncIterator[Platform]:
    settings = KafkaSettings(
        bootstrap=embedded_broker, mode="assigned", idempotence=False, parked_fetch=False,
        keeps_marks=False,
    )  # fmt: skip
    prefix = f"run{tmp_path.name[-12:].replace('_', '')}"
    await provision(settings, plan(prefix=prefix, partitions=1, replication=1))
    env = {"ACTALOG_KAFKA": embedded_broker, "ACTALOG_TOPIC_PREFIX": prefix,
           "ACTALOG_HOME": str(tmp_path)}  # fmt: skip
    bus = KafkaBus(settings)
    made = Platform(bus, env)
    await bus.start()
    yield made
    await bus.stop()


@pytest.mark.parametrize(
    ("result", "status", "out", "wrong"),
    [
        ({"status": "completed", "output": "Fine."}, 0, "Fine.\n", ""),
        ({"status": "paused", "requirements": []}, 0, "waits for a person:\n\n", ""),
        ({"status": "failed", "error": ERROR}, 1, "",
         "actalog: input_blocked: prompt injection\n"),
        ({"status": "blocked", "error": ERROR}, 1, "",
         "actalog: input_blocked: prompt injection\n"),
        ({"status": "cancelled"}, 1, "", "actalog: the run was cancelled\n"),
    ],
)  # fmt: skip
async def test_status_0_is_an_answer_or_a_question(
    platform: Platform, result: dict[str, Any], status: int, out: str, wrong: str
):
    """Whoever reads an answer from it must not take nothing for one."""
    platform.result = result
    assert await platform.asked() == (status, out, wrong)
    machine = await platform.asked("--json")
    assert (machine[0], json.loads(machine[1])["status"]) == (status, result["status"])
