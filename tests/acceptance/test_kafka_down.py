"""Acceptance is the inbox's commit: the gateway takes tasks while Kafka is down, from its start."""

import json
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from actalog_testing.apache_kafka import ApacheKafka
from actalog_testing.scripted import ScriptedServer
from tests.acceptance.outside import Outside
from tests.acceptance.processes import SERVICES, Fleet, run
from tests.conftest import KAFKA_POM

pytestmark = [pytest.mark.apache, pytest.mark.timeout(240)]


def ask(url: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data), timeout=10) as said:
            return said.status, json.loads(said.read())
    except urllib.error.HTTPError as refused:
        return refused.code, json.loads(refused.read())


async def test_tasks_posted_while_kafka_is_down_are_run_once_it_is_back(
    fresh_database: str, tmp_path: Path
):
    kafka = ApacheKafka(tmp_path / "kafka", pom=KAFKA_POM)
    model = ScriptedServer()
    env = {
        "ACTALOG_KAFKA": await kafka.start(), "ACTALOG_DATABASE_URL": fresh_database,
        "ACTALOG_APP": "actalog.examples.support_desk.app:app",
        "ACTALOG_HOME": str(tmp_path / "home"), "OPENAI_API_KEY": "none",
        "OPENAI_BASE_URL": f"{await model.start()}/v1",
    }  # fmt: skip
    for command in (("migrate",), ("topics", "apply"), ("deploy",)):
        run(*command, env=env)
    fleet = Fleet(env, tmp_path)
    try:
        await fleet.start([name for name in SERVICES if name != "gateway"])
        await kafka.kill()
        # It has never seen a broker, and is ready all the same.
        fleet.spawn("gateway")
        await fleet.ready("gateway-0")
        url = f"http://127.0.0.1:{fleet.http['gateway-0']}"
        status, told = ask(f"{url}/health/ready")
        assert (status, told["status"]) == (200, "ready")
        assert "no broker" in told["kafka"]
        runs: set[str] = set()
        for number in range(5):
            began = time.monotonic()
            status, told = ask(
                f"{url}/v1/tasks",
                {"target": "agent:support", "input": f"Where is order {1040 + number}?"},
            )
            assert status == 202
            assert time.monotonic() - began < 2
            runs.add(told["run_id"])
        assert {ask(f"{url}/v1/runs/{one}")[1]["status"] for one in runs} == {"accepted"}
        await kafka.start()
        async with Outside(env["ACTALOG_KAFKA"]) as outside:
            found = await outside.wait_for(runs, within_s=90)
        assert {told["status"] for told in found.values()} == {"completed"}
        states = [ask(f"{url}/v1/runs/{one}")[1] for one in runs]
        assert {one["status"] for one in states} == {"completed"}
    finally:
        await fleet.stop()
        await model.stop()
        await kafka.stop()
