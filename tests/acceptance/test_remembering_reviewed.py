"""What an agent with output guardrails remembers was reviewed as its answers are: of what a model said
nothing else is in the log, on a topic or in a table (protocol 9.1)."""

import json
from collections.abc import AsyncIterator
from typing import cast

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from actalog import Agent, App, tool
from actalog.guardrails import FormatGuardrail, PIIDetectionGuardrail
from actalog_bus.provision import plan
from actalog_contracts.runs import MemoryUpdated, RememberFailed, RunEvent, SessionSummarised
from actalog_core.events import decode
from actalog_testing.scripted import Reply, Request, ToolUse
from tests.acceptance.site import PARTITIONS, Site, only, site

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(100)]
ANSWERS = {"type": "object", "required": ["answer"]}
OF_ANSWERS, OF_MEMORIES, OF_SUMMARIES = "a@mail.example", "m@mail.example", "s@mail.example"


@tool(read_only=True)
def owner(order_id: int) -> str:
    """Whose an order is.

    Args:
        order_id: The number of the order.
    """
    return f"Order {order_id} is of carl@shop.example."


def agent(name: str, *checks: PIIDetectionGuardrail | FormatGuardrail) -> Agent:
    return Agent(
        name=name, model="openai:scripted", instructions="Be brief.", tools=[owner],
        post_hooks=list(checks), update_memory_on_run=True, enable_session_summaries=True,
    )  # fmt: skip


masks = agent("masks", PIIDetectionGuardrail(mask_pii=True), FormatGuardrail(ANSWERS))
blocks = agent("blocks", PIIDetectionGuardrail())
app = App(agents=[masks, blocks])


def said(request: Request) -> Reply:
    """What is asked decides: memories, summary, or the answer after a look at the order."""
    if '"operations"' in request.system:
        ops = [{"op": "add", "text": f"Has the address {OF_MEMORIES}."}]
        escaped = json.dumps({"operations": ops}).replace(
            "@", "\\u0040"
        )  # whoever reads it undoes it
        return Reply(f"```json\n{escaped}\n```")
    if '{"summary"' in request.system:
        return Reply(json.dumps({"summary": f"Was told of {OF_SUMMARIES}."}))
    asked = [one.text for one in request.messages if one.role == "user"][-1]
    if "nothing" in asked:
        return Reply("Fine.")
    if not any(one.role == "tool" for one in request.messages):
        return Reply(tool_calls=[ToolUse("owner", {"order_id": 7})])
    return Reply(json.dumps({"answer": f"Write to {OF_ANSWERS}."}))


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="desk")
async def running(place: tuple[str, str], request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    kind, dsn = place
    if kind == "embedded":
        bootstrap = request.getfixturevalue("embedded_broker")
    else:
        bootstrap = request.getfixturevalue("apache_kafka").bootstrap
    async with site(bootstrap, dsn, app, embedded=kind == "embedded") as made:
        made.models.follow(said)
        yield made


async def remembered(desk: Site, run_id: str, target: str, text: str) -> list[RunEvent]:
    """The events of the memory run of a run whose answer came."""
    told = await desk.outside.ask(
        target=target, input=text, run_id=run_id, session_id=f"of-{target}", user_id=f"u-{target}"
    )
    assert told["status"] == "completed"
    await desk.outside.until(lambda: ended(desk, run_id))
    (child,) = ended(desk, run_id)
    found = await desk.find(child)
    return [decode(one.type, one.payload) for one in await desk.log.read(found.row.run_no)]


def ended(desk: Site, parent: str) -> set[str]:
    ends = ("run.completed.v1", "run.failed.v1", "run.blocked.v1")
    mine = [e for e in desk.outside.events if e.get("parent_run_id") == parent]
    return {e["run_id"] for e in mine if e["type"] in ends}


async def everything(desk: Site) -> str:
    """All that is on any topic, in the log and in tables beside it, as text."""
    planned = plan(prefix=desk.settings.topic_prefix, partitions=PARTITIONS, replication=1)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=desk.settings.kafka or "", auto_offset_reset="earliest", group_id=None,
        fetch_max_wait_ms=50,
    )  # fmt: skip
    await consumer.start()
    try:
        parts = [TopicPartition(one.name, at) for one in planned for at in range(one.partitions)]
        consumer.assign(parts)
        told: list[bytes] = []
        for part in parts:
            ends = cast("dict[TopicPartition, int]", await consumer.end_offsets([part]))
            while await consumer.position(part) < ends[part]:
                one = cast("ConsumerRecord[bytes, bytes]", await consumer.getone(part))
                told += [one.value or b"", *(value for _, value in one.headers)]
    finally:
        await consumer.stop()
    pool = desk.log.pool
    for query in (
        "select payload from events", "select body from held", "select outcome from calls",
        "select convert_to(text, 'UTF8') from memories",
        "select convert_to(summary, 'UTF8') from summaries",
    ):  # fmt: skip
        told += [bytes(row[0]) for row in await pool.fetch(query) if row[0]]
    return b"\n".join(told).decode("utf-8", "replace")


async def test_9_1_what_is_masked_is_remembered_masked(desk: Site):
    child = await remembered(desk, "m1", "masks", "Whose is order 7?")
    assert child[-1].type == "run.completed.v1"
    (updated,) = only(child, MemoryUpdated)
    assert [op.text for op in updated.ops] == ["Has the address [EMAIL]."]  # pyright: ignore
    (summarised,) = only(child, SessionSummarised)
    assert summarised.summary == "Was told of [EMAIL]."  # pyright: ignore
    # Of the parent the recipe shows what was used; what a tool returned is an event of the log.
    shown = [one.raw.decode() for one in desk.models.requests if '"operations"' in one.system]
    assert all("Write to [EMAIL]." in one for one in shown)
    assert all("carl@shop.example" in one for one in shown)
    told = await everything(desk)
    for secret in (OF_ANSWERS, OF_MEMORIES, OF_SUMMARIES, "u0040"):
        assert secret not in told
    assert "Has the address [EMAIL]." in told  # so the rest was there to be found
    assert await desk.log.pool.fetchval("select count(*) from held") == 0


async def test_9_1_of_what_is_blocked_nothing_is_remembered_and_the_answer_stands(desk: Site):
    child = await remembered(desk, "b1", "blocks", "I want nothing.")
    assert [one.type for one in child[-2:]] == ["remember.failed.v1", "run.blocked.v1"]
    assert len(only(child, RememberFailed)) == 2
    assert only(child, MemoryUpdated) == only(child, SessionSummarised) == []
    told = await everything(desk)
    for secret in (OF_MEMORIES, OF_SUMMARIES):
        assert secret not in told
    held = await desk.log.pool.fetchval("select count(*) from held")
    rows = await desk.log.pool.fetchval(
        "select count(*) from memories join subjects using (subject) where user_id = 'u-blocks'"
    )
    assert (held, rows) == (0, 0)
