"""What a callable may ask for by name: its key, the session's state, its run."""

import json
from typing import Any

from actalog_contracts.runs import StateOp, ToolFailed, ToolReturned
from actalog_tools.run_context import RunContext
from tests.integration.tools.world import World


async def test_the_idempotency_key_is_that_of_the_call_and_of_no_other(world: World):
    def charge(idempotency_key: str) -> str:
        return idempotency_key

    await world.start(charge=charge)
    one = await world.content("charge")
    other = await world.content("charge", call_id="r1:t1.1")
    tenant = await world.content("charge", run_no=2, tenant_id="other")
    assert len({one, other, tenant}) == 3
    again = World()
    await again.start(charge=charge)
    assert await again.content("charge") == one
    await again.stop()


async def test_the_session_s_state_is_folded_from_the_log(world: World):
    def state(session_state: dict[str, Any]) -> dict[str, Any]:
        return session_state

    await world.accept(1)
    await world.change_state(1, StateOp(op="set", key="a", value="5"))
    await world.change_state(2, StateOp(op="append", key="c", value="6"), run_no=2)
    await world.start(state=state)
    told = json.loads(await world.content("state", run_no=2))
    assert told == {"colour": "red", "a": 5, "c": [6]}


async def test_changes_of_the_state_become_operations(world: World):
    def change(session_state: dict[str, Any], run_context: RunContext) -> str:
        session_state["new"] = {"x": [1]}
        run_context.session_state["items"].append("b")
        del session_state["old"]
        return "done"

    await world.accept()
    for version, (key, value) in enumerate([("items", '["a"]'), ("old", "1"), ("same", "{}")], 1):
        await world.change_state(version, StateOp(op="set", key=key, value=value))
    await world.start(change=change)
    told = await world.run("change")
    assert isinstance(told, ToolReturned)
    assert told.state_ops == (
        StateOp(op="append", key="items", value='"b"'), StateOp(op="set", key="new", value='{"x": [1]}'),
        StateOp(op="delete", key="old"),
    )  # fmt: skip


async def test_what_a_callable_that_raised_did_to_the_state_is_dropped(world: World):
    def breaks(session_state: dict[str, Any]) -> None:
        session_state["new"] = 1
        raise ValueError

    await world.accept()
    await world.start(breaks=breaks)
    assert isinstance(await world.run("breaks"), ToolFailed)


async def test_half_a_character_in_the_state_loses_no_outcome(world: World):
    """JSON of other systems has lone surrogates, where they cut texts."""

    def reads(session_state: dict[str, Any]) -> str:
        session_state |= json.loads('{"title": "good \\ud83d", "\\ud83d": 1}')
        return "charged"

    await world.accept()
    await world.start(reads=reads)
    told = await world.run("reads")
    assert isinstance(told, ToolReturned)
    assert told.state_ops == (
        StateOp(op="set", key="title", value='"good \ufffd"'),
        StateOp(op="set", key="\ufffd", value="1"),
    )


async def test_state_that_is_no_json_or_too_much_is_told(world: World):
    def odd(session_state: dict[str, Any]) -> None:
        session_state["cart"] = {1, 2}

    def much(session_state: dict[str, Any]) -> None:
        session_state["cart"] = "x" * 1_000_000

    await world.accept()
    await world.start(odd=odd, much=much)
    failed = await world.failed("odd")
    assert (failed.kind, "session_state['cart']" in failed.message) == ("raised", True)
    assert (await world.failed("much", call_id="2")).kind == "limit"


async def test_the_run_s_context_has_what_the_task_brought(world: World):
    def who(run_context: RunContext) -> dict[str, Any]:
        return {
            "run": run_context.run_id, "session": run_context.session_id,
            "user": run_context.user_id, "shop": run_context.dependencies["shop"],
            "trace": run_context.metadata["trace"], "state": run_context.session_state,
        }  # fmt: skip

    await world.accept(dependencies='{"shop": "x"}', metadata='{"trace": 1}')
    await world.start(who=who)
    assert json.loads(await world.content("who")) == {
        "run": "r1", "session": "s", "user": "ann", "shop": "x", "trace": 1,
        "state": {"colour": "red"},
    }  # fmt: skip
