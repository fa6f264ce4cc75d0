"""Each service alone as its own process, against Apache Kafka and PostgreSQL, for an author whose
own packages are called like folders of ours."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actalog_testing.apache_kafka import ApacheKafka
from actalog_testing.scripted import ScriptedServer
from tests.acceptance.outside import Outside
from tests.acceptance.processes import Fleet, run
from tests.acceptance.site import new_prefix

AUTHORS = {
    "shared/__init__.py": "",
    "shared/stock.py": "LEFT_ON = 'Tuesday'\n",
    "contracts/__init__.py": "from contracts.words import SENTENCE\n",
    "contracts/words.py": "SENTENCE = 'Order {} left on {}.'\n",
    "services/__init__.py": "",
    "services/app.py": '''
from actalog import Agent, App, tool
from contracts import SENTENCE
from shared.stock import LEFT_ON

@tool(read_only=True)
def order_status(order_id: str) -> str:
    """Where an order is.

    Args:
        order_id: The number of the order.
    """
    return SENTENCE.format(order_id, LEFT_ON)

app = App(agents=[Agent(name="support", model="openai:m", tools=[order_status])])
''',
}  # fmt: skip
pytestmark = [pytest.mark.apache, pytest.mark.timeout(240)]


@pytest.fixture
async def env(
    apache_kafka: ApacheKafka, fresh_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[dict[str, str]]:
    """A platform of its own: a topic prefix, a database, a scripted model server. Commands and
    services are started in the author's folder."""
    folder = tmp_path / "author"
    for name, text in AUTHORS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    monkeypatch.chdir(folder)
    model = ScriptedServer()
    base_url = await model.start()
    env = {
        "ACTALOG_KAFKA": apache_kafka.bootstrap,
        "ACTALOG_DATABASE_URL": fresh_database,
        "ACTALOG_TOPIC_PREFIX": new_prefix(),
        "ACTALOG_APP": "services.app:app",
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
                for again in range(1 + number % 2):
                    await outside.send(task, partition=(number + again) % 3)
            found = await outside.wait_for(runs, within_s=90)
            assert {told["status"] for told in found.values()} == {"completed"}
            assert all("left on Tuesday" in told["output"] for told in found.values())
            ids = {(told["run_id"], told["id"]) for told in outside.results}
            assert len(ids) == len(runs)
            last = {run_id: told["events"] for run_id, told in found.items()}
            await outside.until(
                lambda: all(max(outside.in_order().get(one, [0])) >= last[one] for one in runs)
            )
            # In order per run, none missing, whoever decided and published them.
            told = outside.in_order()
            assert {run_id: list(told[run_id]) for run_id in runs} == {
                run_id: list(range(1, last[run_id] + 1)) for run_id in runs
            }
            for name in ("conductor", "llm", "tools"):
                heard = [await fleet.heard(f"{name}-{copy}") for copy in (0, 1)]
                assert min(heard) > 0, (name, heard)
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
            assert {told["status"] for told in found.values()} == {"completed"}
            assert len({told["id"] for told in outside.results}) == len(runs)
    finally:
        await fleet.stop()
