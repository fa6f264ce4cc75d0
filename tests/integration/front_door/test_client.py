"""One suite for a client on the bus and a client over HTTP, on the same platform."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from actalog import Agent, App, Client, tool
from actalog.cli.open_requirements import every
from actalog.client import Refused
from actalog.client.bus import BusTransport
from actalog.client.wire import NoGateway
from actalog.errors import BadDefinition
from actalog.platform import Platform
from actalog.services import Ground
from actalog_bus.memory import MemoryBus
from actalog_bus.processes import free_port
from actalog_contracts.streams import Delta
from actalog_contracts.tasks import (
    MessageRefused,
    PublishedEvent,
    RefusalError,
    RunResult,
    TaskSubmit,
)
from actalog_core.settings import Settings
from actalog_gateway.admission import Admission
from actalog_log.memories import MemoryMemories
from actalog_log.memory import MemoryLog
from actalog_testing.scripted import Reply, Request, ScriptedServer, ToolUse


@tool(requires_confirmation=True)
def refund(order_id: str) -> str:
    """Pays back."""
    return f"paid back {order_id}"


def script(request: Request) -> Reply:
    """A model that asks for a refund when somebody says so."""
    last = request.messages[-1]
    if last.role == "user" and "refund" in last.text:
        return Reply(tool_calls=(ToolUse("refund", {"order_id": "8"}),))
    return Reply(f"You said {last.text}", chunks=3, delay_ms=5)


@pytest.fixture
async def platform() -> AsyncIterator[Platform]:
    """Everything in memory, the gateway too."""
    models, log = ScriptedServer(script=script), MemoryLog()
    settings = Settings(
        openai_api_key="k", openai_base_url=f"{await models.start()}/v1", port=free_port()
    )
    app = App(agents=[Agent(name="a", model="openai:m", tools=[refund])])
    ground = Ground(
        bus=MemoryBus(), log=log, calls=log.calls, memories=MemoryMemories(log),
        settings=settings, callables=app.callables(),
    )  # fmt: skip
    running = Platform(ground, definitions=app.definitions())
    await running.start()
    yield running
    await running.stop(2.0)
    await models.stop()


@pytest.fixture(params=["bus", "http"])
async def client(request: pytest.FixtureRequest, platform: Platform) -> AsyncIterator[Client]:
    made = (
        Client(platform=platform)
        if request.param == "bus"
        else Client(http=f"http://127.0.0.1:{platform.on.settings.port}")
    )
    async with made, asyncio.timeout(20):
        yield made


async def test_a_task_is_submitted_and_its_result_read(client: Client):
    run_id = await client.submit("agent:a", "one", correlation_id="c", metadata={"shop": 1})
    result = await client.result(run_id)
    assert (result.status, result.output, result.correlation_id, result.metadata) == (
        "completed", "You said one", "c", {"shop": 1},
    )  # fmt: skip
    assert (result.usage.model_calls, result.target) == (1, "agent:a")


async def test_a_stream_has_every_event_in_order_and_ends_with_the_run(client: Client):
    async with client.watch("r") as told:
        await client.submit("agent:a", "one", run_id="r")
        heard = [one async for one in _until_done(told)]
    seqs = [one.seq for one in heard if isinstance(one, PublishedEvent)]
    assert seqs == list(range(1, len(seqs) + 1))
    deltas = [one for one in heard if isinstance(one, Delta)]
    assert "".join(one.text for one in deltas) == "You said one"
    assert {(one.run_id, one.session_id, one.tenant_id) for one in deltas} == {
        ("r", "r", "default")
    }


@pytest.mark.parametrize("over", ["bus", "http"])
async def test_a_clients_tenant_holds_for_all_that_it_says(platform: Platform, over: str):
    where = {"platform": platform} if over == "bus" else {}
    if over == "http":
        where = {"http": f"http://127.0.0.1:{platform.on.settings.port}"}
    async with Client(**where, tenant_id="t/1") as client, asyncio.timeout(20):  # type: ignore[arg-type]
        waits = await client.submit("agent:a", "refund please", run_id="x/1")
        paused = await client.result(waits)
        assert (paused.status, paused.tenant_id) == ("paused", "t/1")
        await client.resolve(waits, paused.requirements[0].id, "reject")
        assert (await client.result(waits)).status == "completed"
        await client.cancel("later")
        assert (
            await client.result(await client.submit("agent:a", "one", run_id="later"))
        ).status == ("cancelled")


async def test_a_stream_of_what_was_refused_is_a_refusal(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
):
    """Whether it was opened before that or after."""
    monkeypatch.setattr("actalog.client.http.ATTEMPTS", 5)

    async def admits(_: Admission, task: TaskSubmit, tenant_id: str) -> None:
        """As a gateway does that has other settings than the conductor."""

    monkeypatch.setattr(Admission, "admit", admits)
    async with Client(http=f"http://127.0.0.1:{platform.on.settings.port}") as client:
        run_id = await client.submit("agent:a", "one", reply_to="not.allowed")
        with pytest.raises(Refused, match="unknown_run"):
            async with asyncio.timeout(10):
                await client.result(run_id)


async def _until_done(told: "AsyncIterator[PublishedEvent | Delta | RunResult]"):
    async for one in told:
        yield one
        if isinstance(one, PublishedEvent) and one.type == "run.completed.v1":
            return


@pytest.mark.parametrize(("decision", "error"), [("approve", False), ("reject", True)])
async def test_a_paused_run_goes_on_when_it_is_resolved(
    client: Client, platform: Platform, decision: str, error: bool
):
    run_id = await client.submit("agent:a", "refund please")
    paused = await client.result(run_id)
    (required,) = paused.requirements
    assert (paused.status, required.kind) == ("paused", "confirmation")
    assert required.tool_call is not None
    assert required.tool_call.arguments == {"order_id": "8"}
    await client.resolve(
        run_id, required.id, "approve" if decision == "approve" else "reject",
        digest=required.tool_call.digest, by="ann",
    )  # fmt: skip
    done = await client.result(run_id)
    assert done.status == "completed"
    assert ("rejected" in done.output) is error


async def test_a_result_is_the_published_one_with_until_when_a_person_may_answer(
    client: Client, platform: Platform
):
    read = await client.result(await client.submit("agent:a", "refund please"))
    bus = platform.on.bus
    assert isinstance(bus, MemoryBus)
    (told,) = [json.loads(one.value or b"") for one in bus.records("actalog.results")]
    assert read.requirements[0].expires_at is not None
    assert read.model_dump(mode="json", exclude_none=True) == told
    ((asked,), _) = await every(platform.on.log, "default")
    assert asked == read.requirements[0]  # on the command line


async def test_the_log_over_http_is_what_the_feed_has_and_where_it_stands(platform: Platform):
    bus, gateway = platform.on.bus, f"http://127.0.0.1:{platform.on.settings.port}"
    async with Client(platform=platform) as client, httpx.AsyncClient(base_url=gateway) as http:
        await client.result(await client.submit("agent:a", "one", run_id="r"))
        events = (await http.get("/v1/runs/r/log")).json()["events"]
    told = [{name: one for name, one in event.items() if one is not None} for event in events]
    assert all(event.pop("position") for event in told)
    assert isinstance(bus, MemoryBus)
    assert told == [json.loads(one.value or b"") for one in bus.records("actalog.events")]


async def test_a_program_without_an_event_loop_waits_for_each_answer(platform: Platform):
    def work() -> None:
        with Client(http=f"http://127.0.0.1:{platform.on.settings.port}") as client:
            done = client.result(client.submit("agent:a", "one"), timeout=10)
            assert (done.status, done.output) == ("completed", "You said one")
            types = [one.type for one in client.stream(done.run_id)]
            assert (types[0], types[-1]) == ("run.accepted.v1", "run.completed.v1")
            paused = client.result(client.submit("agent:a", "refund please"), timeout=10)
            (required,) = paused.requirements
            client.resolve(paused.run_id, required.id, "reject", by="ann")
            assert "rejected" in str(client.result(paused.run_id, timeout=10).output)
            client.cancel("later")
            client.submit("agent:a", "one", run_id="later")
            assert client.result("later", timeout=10).status == "cancelled"
            with pytest.raises(Refused):
                client.submit("agent:nobody", "one")
            waits = client.submit("agent:a", "refund please")
            client.result(waits, timeout=10)
            with pytest.raises(TimeoutError):
                client.result("never", timeout=0.2)

    await asyncio.to_thread(work)


async def test_a_cancel_before_its_task_cancels_it(client: Client):
    await client.cancel("r", reason="never mind", by="ann")
    await client.submit("agent:a", "one", run_id="r")
    assert (await client.result("r")).status == "cancelled"


async def test_what_is_refused_is_raised_with_its_reason(client: Client):
    with pytest.raises(Refused, match="unknown_target"):
        await client.result(await client.submit("agent:nobody", "one"))
    await client.result(await client.submit("agent:a", "one", run_id="r"))
    with pytest.raises(Refused, match="conflict"):
        await _submit_and_watch(client, "r", "another body")


async def _submit_and_watch(client: Client, run_id: str, input: str) -> None:
    async with client.watch(run_id) as told:
        await client.submit("agent:a", input, run_id=run_id)
        async for _ in told:
            pass


async def test_a_wrong_field_is_told_before_anything_is_sent(client: Client):
    with pytest.raises(BadDefinition, match="colour"):
        await client.submit("agent:a", "one", colour="red")


async def test_an_input_that_cannot_be_carried_is_refused_and_not_waited_for(client: Client):
    with pytest.raises(Refused, match="NUL and lone surrogates cannot be carried"):
        await client.result(await client.submit("agent:a", "a\0b"))
    with pytest.raises(BadDefinition, match="surrogates not allowed"):
        await client.submit("agent:a", "a\ud800b")


async def test_a_refusal_that_names_no_run_is_that_of_the_message_it_names(platform: Platform):
    async with Client(platform=platform) as client, asyncio.timeout(10):
        transport = client.transport
        assert isinstance(transport, BusTransport)
        run_id = await client.submit("agent:a", "refund please")
        await client.result(run_id)
        (id,) = transport._sent
        transport._expect_another(run_id)
        refusal = MessageRefused(
            id="x", message_id=id, error=RefusalError(code="too_large", message="no")
        )
        await platform.on.bus.publish(
            "actalog.results", value=refusal.model_dump_json(exclude_none=True).encode()
        )
        with pytest.raises(Refused, match="too_large"):
            await client.result(run_id)


async def test_nobody_at_the_address_is_told_with_the_address():
    with pytest.raises(NoGateway, match=r"127\.0\.0\.1"):
        await Client(http=f"http://127.0.0.1:{free_port()}").start()
    with pytest.raises(BadDefinition, match="one of"):
        Client(http="http://x", kafka="y:1")


async def test_results_that_are_published_again_change_nothing(platform: Platform):
    async with Client(platform=platform) as client:
        run_id = await client.submit("agent:a", "refund please")
        paused = await client.result(run_id)
        assert isinstance(client.transport, BusTransport)
        await client.resolve(run_id, paused.requirements[0].id, "approve")
        done = await client.result(run_id)
        for record in [
            one for bus in [platform.on.bus] if isinstance(bus, MemoryBus)
            for one in bus.records("actalog.results")
        ]:  # fmt: skip
            if json.loads(record.value or b"")["id"] == paused.id:
                await platform.on.bus.publish(record.topic, value=record.value, key=record.key)
        await asyncio.sleep(0.05)
        assert (await client.result(run_id)).id == done.id
