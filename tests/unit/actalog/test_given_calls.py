"""What methods are given in a wrong kind is told by its name, before anything is done."""

import asyncio
from collections.abc import Iterator
from functools import partial
from typing import Any, cast

import pytest

from actalog.agent import Agent
from actalog.client import Client
from actalog.client.blocking import BlockingClient
from actalog.errors import BadCall
from actalog.models.response import ToolExecution
from actalog.run import front
from actalog.run.agent import RunOutput
from actalog.run.requirement import RunRequirement
from actalog.run.runner import Run
from actalog.run.story import Story

# The author checks no types.
agent, client = cast("Any", Agent(id="a", model="openai:m")), cast("Any", Client)
CALL = ToolExecution(tool_call_id="r:t1.0", tool_name="refund", tool_args={})


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"run_response": "zz"}, "run_response must be a RunOutput, not str; an id goes into run_id="),
        ({"run_response": 3}, "run_response must be a RunOutput, not int"),
        ({"run_response": RunOutput}, "run_response must be a RunOutput, not type"),
        ({"run_response": {"run_id": "r"}}, "run_response must be a RunOutput, not dict"),
        ({"run_id": 3}, "run_id must be text, not int"),
        ({"requirements": "zz"}, "requirements must be a list of RunRequirement, not str"),
        ({"requirements": 3}, "requirements must be a list of RunRequirement, not int"),
        ({"requirements": [3]}, r"requirements\[0\] must be a RunRequirement, not int"),
        ({"run_id": "r", "requirements": [3]}, r"requirements\[0\] must be"),
        ({"run_id": "r", "updated_tools": 3}, "updated_tools must be a list of ToolExecution"),
        ({"run_id": "r", "updated_tools": [{"id": "x"}]}, r"updated_tools\[0\] must be a ToolExecution"),
        ({"run_id": "r", "by": 3}, "by must be text, not int"),
        ({}, "needs a run_response, a run_id or requirements"),
        ({"run_id": "r", "requirements": []}, "waits for nothing that is known here"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "how", [agent.continue_run, agent.acontinue_run, partial(agent.continue_run, stream=True)]
)
def test_continue_run_names_what_is_of_a_wrong_kind(given: dict[str, Any], told: str, how: Any):
    with pytest.raises(BadCall, match=told):
        how(**given)


@pytest.fixture
def paused() -> Iterator[Run]:
    asked = RunRequirement("r:t1.0:confirm", CALL, "r")
    output = RunOutput(
        run_id="r", session_id="s", agent_id="a", agent_name="a", requirements=[asked]
    )
    run = Run(agent, Story(output))
    front.keep_paused(run)
    yield run
    front.PAUSED.pop("r", None)


@pytest.mark.parametrize("wrong", [{}, {"by": 3}, {"updated_tools": [3]}])
def test_a_call_that_was_refused_leaves_the_run_where_it_waits(paused: Run, wrong: dict[str, Any]):
    with pytest.raises(BadCall):
        agent.continue_run(run_id="r", **wrong)
    assert front.PAUSED["r"] is paused
    with pytest.raises(BadCall, match="is not decided"):
        agent.continue_run(run_id="r")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"kafka": 3}, "kafka must be text, not int"),
        *(({"kafka": one}, "kafka: addresses of brokers are wanted, as host:port")
          for one in ("", "kafka://a:9092", "a:b:c", "127.0.0.1:99999")),
        ({"http": 3}, "http must be text, not int"),
        *(({"http": one}, "http: an address is wanted, as http://host:port")
          for one in ("", "nonsense", "ftp://x", "http://", "http://h:99999", "http://h:x",
                      "http://h/?a=b", "http://h h", "http://h\r\nX: y")),
        ({"http": "http://h", "token": 3}, "token must be text, not int"),
        ({"http": "http://h", "token": "a\r\nX: y"}, "token: it cannot be sent in a header"),
        ({"http": "http://h", "tenant_id": 3}, "tenant_id must be text, not int"),
        ({"platform": "x"}, "platform must be a Platform, not str"),
        ({"transport": "x"}, "transport must be a Transport, not str"),
    ],
)  # fmt: skip
def test_a_client_names_what_is_of_a_wrong_kind(given: dict[str, Any], told: str):
    with pytest.raises(BadCall, match=told):
        client(**given)


@pytest.mark.parametrize("address", ["http://h", "https://h.example:8443/base/", "http://[::1]:7"])
def test_a_client_takes_every_address_of_a_gateway(address: str):
    client(http=address, token="t", tenant_id="acme")


@pytest.mark.parametrize("id", [3, None, "", "a\0"])
@pytest.mark.parametrize("verb", ["result", "stream", "watch"])
async def test_a_run_that_no_id_names_is_not_waited_for(verb: str, id: Any):
    made = client(http="http://127.0.0.1:1")
    with pytest.raises(BadCall, match="run_id"):
        async with asyncio.timeout(1):
            await begun(made, verb, id)


@pytest.mark.parametrize("after", ["y", -1, 1.5, None])
@pytest.mark.parametrize("verb", ["stream", "watch"])
async def test_an_event_is_named_by_a_number(verb: str, after: Any):
    made = client(http="http://127.0.0.1:1")
    with pytest.raises(BadCall, match="after="):
        async with asyncio.timeout(1):
            await begun(made, verb, "r", after=after)


async def begun(made: Any, verb: str, id: Any, **more: Any) -> None:
    match verb:
        case "result":
            await made.result(id)
        case "stream":
            await anext(made.stream(id, **more))
        case _:
            async with made.watch(id, **more):
                pass


def test_a_program_without_a_loop_is_told_what_its_timeout_is():
    with pytest.raises(BadCall, match="timeout must be a number of seconds, not str"):
        cast("Any", BlockingClient(client(http="http://h"))).result("r", timeout="x")
