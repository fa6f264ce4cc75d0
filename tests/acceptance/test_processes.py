"""Each service alone as its own process, against Apache Kafka and PostgreSQL."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actalog_testing.apache_kafka import ApacheKafka
from actalog_testing.scripted import ScriptedServer
from tests.acceptance.processes import Fleet, Outside, run

APP = "actalog.examples.support_desk.app:app"
pytestmark = [pytest.mark.apache, pytest.mark.timeout(240)]


@pytest.fixture
async def env(
    apache_kafka: ApacheKafka, fresh_database: str, tmp_path: Path
) -> AsyncIterator[dict[str, str]]:
    """A platform of its own: a topic prefix, a database, a scripted model server."""
    model = ScriptedServer()
    base_url = await model.start()
    env = {
        "ACTALOG_KAFKA": apache_kafka.bootstrap,
        "ACTALOG_DATABASE_URL": fresh_database,
        "ACTALOG_TOPIC_PREFIX": f"t{tmp_path.name[-12:].replace('_', '')}",
        "ACTALOG_APP": APP,
        "ACTALOG_HOME": str(tmp_path / "home"),
        "OPENAI_API_KEY": "none",
        "OPENAI_BASE_URL": f"{base_url}/v1",
    }
    run("migrate", env=env)
    run("topics", "apply", env=env)
    run("deploy", env=env)
    yield env
    await model.stop()


async def test_two_of_each_service_share_the_work_wherever_records_land(
    env: dict[str, str], tmp_path: Path
):
    fleet = Fleet(env, tmp_path)
    try:
        await fleet.start(copies=2)
        async with Outside(env["ACTALOG_KAFKA"], env["ACTALOG_TOPIC_PREFIX"]) as outside:
            runs = {f"r{number}" for number in range(30)}
            for number, run_id in enumerate(sorted(runs)):
                task = {
                    "target": "agent:support", "input": f"Where is order {1040 + number}?",
                    "run_id": run_id, "session_id": f"s{number % 10}",
                }  # fmt: skip
                # On whatever partition, without a key, and some of them twice.
                for _ in range(1 + number % 2):
                    await outside.send(task, partition=number % 3)
            found = await outside.wait_for(runs, within_s=90)
            assert {told["status"] for told in found.values()} == {"completed"}
            ids = {(told["run_id"], told["id"]) for told in outside.results}
            assert len(ids) == len(runs)
    finally:
        await fleet.stop()


async def test_a_killed_service_is_replaced_and_every_task_has_its_result(
    env: dict[str, str], tmp_path: Path
):
    fleet = Fleet(env, tmp_path)
    try:
        await fleet.start()
        async with Outside(env["ACTALOG_KAFKA"], env["ACTALOG_TOPIC_PREFIX"]) as outside:
            runs = {f"k{number}" for number in range(40)}
            for number, run_id in enumerate(sorted(runs)):
                if number in (10, 20, 30):
                    name = {10: "llm", 20: "tools", 30: "conductor"}[number]
                    fleet.kill(f"{name}-0")
                    fleet.spawn(name, 0)
                task = {
                    "target": "support", "input": f"Where is order {1040 + number}?",
                    "run_id": run_id, "session_id": run_id,
                }  # fmt: skip
                await outside.send(task)
            found = await outside.wait_for(runs, within_s=120)
            assert {told["status"] for told in found.values()} <= {"completed", "failed"}
            failed = [told for told in found.values() if told["status"] == "failed"]
            # A tool that declared nothing may be in doubt; then the run says so, typed.
            assert all(told["error"]["code"] == "tool_failed" for told in failed)
    finally:
        await fleet.stop()
