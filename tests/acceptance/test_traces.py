"""One trace over the bus, from a client's request to the result, by the GenAI conventions."""

import asyncio
import json
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actalog_testing.apache_kafka import ApacheKafka
from actalog_testing.scripted import ScriptedServer
from tests.acceptance.collector import Collector, Span
from tests.acceptance.home import Home
from tests.acceptance.outside import Outside
from tests.acceptance.processes import Fleet, run
from tests.acceptance.test_people import ask, until

pytestmark = [pytest.mark.timeout(240)]
TRACE, CLIENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SECRET = "4111 1111 1111 1111"


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    made.start()
    yield made
    made.stop()


def post(http: str, task: dict[str, Any]) -> str:
    """A client's request, in a trace of its own; the run's id."""
    request = urllib.request.Request(
        f"{http}/v1/tasks", json.dumps(task).encode(),
        {"traceparent": f"00-{TRACE}-{CLIENT}-01", "tracestate": "theirs=1"},
    )  # fmt: skip
    with urllib.request.urlopen(request, timeout=10) as said:
        return json.loads(said.read())["run_id"]


def only(spans: list[Span], name: str) -> Span:
    (found,) = [one for one in spans if one.name == name]
    return found


@pytest.mark.kafka
@pytest.mark.postgres
def test_one_run_is_one_trace_from_the_request_to_the_result(tmp_path: Path, collector: Collector):
    home = Home(tmp_path)
    home.env |= {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.address, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    try:
        process = home.up()
        http = json.loads(home.file.read_text())["http"]
        run_id = post(http, {"target": "support", "input": f"Where is order 1042? {SECRET}",
                          "session_id": "s-7"})  # fmt: skip
        until(home, run_id, "completed")
        other = ask(home, "/v1/tasks", {"target": "support", "input": "Where is order 1043?"})
        until(home, other["run_id"], "completed")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        home.end()
    mine = [one for one in collector.spans if one.trace == TRACE]
    assert len({one.trace for one in collector.spans}) >= 2
    by_id = {one.id: one for one in mine}
    assert len(by_id) == len(mine)
    assert [one for one in mine if one.parent not in by_id and one.parent != CLIENT] == []

    request = only(mine, "POST /v1/tasks")
    assert request.parent == CLIENT
    assert request.attributes["http.response.status_code"] == 202
    heard = only(mine, "process actalog.tasks")
    assert heard.parent == request.id
    whole = only(mine, "invoke_agent support")
    assert whole.parent == heard.id
    assert whole.attributes["gen_ai.operation.name"] == "invoke_agent"
    assert whole.attributes["gen_ai.agent.name"] == "support"
    assert whole.attributes["gen_ai.conversation.id"] == "s-7"
    assert whole.attributes["actalog.run.id"] == run_id
    assert whole.attributes["gen_ai.usage.input_tokens"] > 0

    chats = [one for one in mine if one.name.startswith("chat ")]
    (tool,) = [one for one in mine if one.name.startswith("execute_tool ")]
    assert len([one for one in chats if by_id[by_id[one.parent].parent] is whole]) >= 2
    assert by_id[by_id[tool.parent].parent] is whole
    for one in chats:
        told = one.attributes
        assert told["gen_ai.operation.name"] == "chat"
        assert told["gen_ai.provider.name"] == "openai"
        assert told["gen_ai.request.model"] in one.name
        assert told["gen_ai.response.model"] == "scripted"
        assert told["gen_ai.usage.output_tokens"] > 0
        assert told["gen_ai.conversation.id"] == "s-7"
    assert tool.attributes["gen_ai.tool.name"] == "order_status"
    assert tool.attributes["gen_ai.tool.call.id"]
    assert all(whole.began <= one.began and one.ended <= whole.ended for one in [tool])
    assert SECRET not in repr([one.attributes for one in mine])  # content is never recorded
    assert {"gen_ai.client.token.usage", "gen_ai.client.operation.duration"} <= set(
        collector.metrics
    )


@pytest.mark.apache
async def test_the_trace_goes_through_every_service_in_a_process_of_its_own(
    apache_kafka: ApacheKafka, fresh_database: str, tmp_path: Path, collector: Collector
):
    model = ScriptedServer()
    env = {
        "ACTALOG_KAFKA": apache_kafka.bootstrap, "ACTALOG_DATABASE_URL": fresh_database,
        "ACTALOG_TOPIC_PREFIX": "traced", "ACTALOG_HOME": str(tmp_path / "home"),
        "ACTALOG_APP": "actalog.examples.support_desk.app:app", "OPENAI_API_KEY": "none",
        "OPENAI_BASE_URL": f"{await model.start()}/v1",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address,
    }  # fmt: skip
    for command in (("migrate",), ("topics", "apply"), ("deploy",)):
        run(*command, env=env)
    fleet = Fleet(env, tmp_path)
    try:
        await fleet.start()
        async with Outside(env["ACTALOG_KAFKA"], "traced") as outside:
            http = f"http://127.0.0.1:{fleet.http['gateway-0']}"
            task = {"target": "support", "input": "Where is order 1042?"}
            run_id = await asyncio.to_thread(post, http, task)
            await outside.wait_for({run_id})
    finally:
        await fleet.stop()
        await model.stop()
    mine = [one for one in collector.spans if one.trace == TRACE]
    assert {one.service for one in mine} >= {
        f"actalog-{name}" for name in ("gateway", "conductor", "guardrails", "context", "llm", "tools")
    }  # fmt: skip
    whole = only(mine, "invoke_agent support")
    assert whole.service == "actalog-conductor"
    by_id = {one.id: one for one in mine}
    for name, service in (("chat", "llm"), ("execute_tool", "tools")):
        found = [one for one in mine if one.name.startswith(f"{name} ")]
        assert {one.service for one in found} == {f"actalog-{service}"}
        assert all(by_id[by_id[one.parent].parent] is whole for one in found)
