"""What the chain does not cover is compared with what it does: `actalog rebuild` on a real log."""

import json
from collections.abc import AsyncIterator

import pytest

from actalog_contracts.base import ToolCall
from actalog_contracts.runs import ContextBuilt, RunStarted, StateOp
from actalog_core.canonical import content_digest
from actalog_core.session_state import write_ops
from actalog_log.ports import Decision, RunRow, SessionOp
from actalog_log.postgres import PostgresLog
from tests.integration.gateway.world import AGENT, Run, accepted, called, new_run, reply, returned
from tests.integration.platform.test_shown_lists import Stage

pytestmark = [pytest.mark.tampers, pytest.mark.postgres]
BODY = AGENT.model_dump_json().encode()
DIGEST = content_digest(BODY)
SETS = StateOp(op="set", key="shop", value='{"a": 1}')
APPENDS = StateOp(op="append", key="basket", value='"lamp"')


class Session(Stage):
    """One session with a task that brings state, and a tool that changes it."""

    async def begin(self) -> None:
        await self.log.put_definition(DIGEST, "agent", "a", BODY)
        first = await self.new("one", turn=1)
        brings = accepted().model_copy(update={"session_state": '{"shop":{"a":1}}'})
        await first.say(brings, RunStarted(), publish=False)
        second = await self.new("two", turn=2)
        asks = reply(
            "two",
            None,
            calls=[ToolCall(id="two:t1.0", provider_id="c", name="delete_file", arguments="{}")],
        )
        tool = returned("two").model_copy(update={"state_ops": (APPENDS,)})
        said = accepted(), RunStarted(), ContextBuilt(), asks, called("two"), tool
        await second.say(*said, publish=False)
        ops = [
            SessionOp("default", "s", 1, first.row.run_no, 1, write_ops([SETS])),
            SessionOp("default", "s", 2, second.row.run_no, 6, write_ops([APPENDS])),
        ]
        await self.log.append(Decision((), session_ops=tuple(ops)))
        self.first = first.row
        child = await self.new("child", turn=None, parent=first.row)
        await child.say(accepted(), RunStarted(), publish=False)

    async def new(self, name: str, *, turn: int | None, parent: RunRow | None = None) -> Run:
        return await new_run(
            self, name, session="s", turn=turn, definition=DIGEST, parent=parent,  # pyright: ignore[reportArgumentType]
        )  # fmt: skip

    async def changed(self, sql: str) -> None:
        for table in ("runs", "session_ops"):
            await self.log.pool.execute(f"alter table {table} disable trigger user")
        await self.log.pool.execute(sql)


@pytest.fixture
async def session(fresh_database: str) -> AsyncIterator[Session]:
    log = PostgresLog(fresh_database)
    await log.start()
    made = Session(log, fresh_database)
    await made.begin()
    yield made
    await log.stop()


async def test_what_nobody_changed_differs_in_nothing(session: Session):
    for words in (("--session", "s"), ("one",), ("child",)):
        told = await session.typed("rebuild", *words, "--json")
        assert (told.exit_code, told.stderr) == (0, "")
    told = await session.typed("rebuild", "--session", "s", "--json")
    assert json.loads(told.stdout)["state"] == {"shop": {"a": 1}, "basket": ["lamp"]}


OTHER_USER = (
    "with other as (insert into subjects (tenant_id, user_id) values ('default', 'eve')"
    " returning subject) update runs set subject = other.subject from other where run_id = '{}'"
)
AS_FIRST = (
    "insert into session_ops (tenant_id, session_id, state_version, run_no, seq, ops)"
    " select tenant_id, session_id, 3, {}, ops from session_ops where state_version = 1"
)
OTHER_OPS = (
    "update session_ops set"
    " ops = convert_to(replace(convert_from(ops, 'UTF8'), 'lamp', 'gold'), 'UTF8')"
)
OTHER_PARENT = "update runs set parent_run_no = p.run_no from runs p where runs.run_id = 'child'"


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        (OTHER_OPS + " where state_version = 2", "state version 2 is not as run_no"),
        ("delete from session_ops where state_version = 1",
         "run one: the operations of event 1 are missing"),
        (AS_FIRST.format("run_no, 2"), "state version 3 is not as run_no"),
        (AS_FIRST.format("999, 1"), "state version 3 is not as run_no 999, event 1 made it"),
        (OTHER_USER.format("two"), "run two: its user is not the session's"),
    ],
)  # fmt: skip
async def test_a_changed_session_is_told_and_still_shown(session: Session, sql: str, told: str):
    await session.changed(sql)
    said = await session.typed("rebuild", "--session", "s", "--json")
    assert (said.exit_code, told in said.stderr) == (1, True), said.stderr
    assert told in json.loads(said.stdout)["differs"][0]


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        (OTHER_PARENT + " and p.run_id = 'two'", "run child: parent_run_no "),
        (OTHER_USER.format("child"), "run child: its user is not its parent's"),
    ],
)  # fmt: skip
async def test_a_changed_row_of_a_run_is_told(session: Session, sql: str, told: str):
    await session.changed(sql)
    said = await session.typed("rebuild", "child")
    assert (said.exit_code, said.stderr.startswith(f"actalog: {told}")) == (1, True), said.stderr
