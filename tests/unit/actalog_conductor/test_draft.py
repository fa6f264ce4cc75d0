"""A decision as the log takes it: standings, timers, held text, session state, the child."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import reduce

import orjson
import pytest

from actalog_conductor import agent_run, kinds, live
from actalog_conductor.draft import (
    WAKE_AFTER,
    Beside,
    Drafted,
    child,
    decision,
    drafted,
    released,
    remembers,
)  # fmt: skip
from actalog_conductor.heard import Cancel, Heard, Late
from actalog_conductor.kinds import standing
from actalog_conductor.live import Live
from actalog_contracts.base import TextRef
from actalog_contracts.calls import Remember, RunTool
from actalog_contracts.definitions import AgentDefinition
from actalog_contracts.runs import RunEvent, StateOp
from actalog_core.clock import parse_time
from actalog_core.errors import DataRefused
from actalog_core.events import RULES_VERSION
from actalog_log.beside_ports import Held
from actalog_log.call_ports import ledger_key
from actalog_log.ports import RunRow
from tests.unit.actalog_conductor.spec import (
    ACCEPTED,
    CHECKED,
    PLAIN,
    REVIEWED,
    START,
    checked,
    held,
    replied,
    returned,
)  # fmt: skip

NOW = datetime(2026, 11, 24, 16, 0, tzinfo=UTC)
ROW = RunRow(
    run_no=1, tenant_id="default", run_id="r", session_id="s", turn=1, kind="agent",
    target="agent:a", definition="sha256:1", body_digest="hmac:1", accepted_at=NOW, user_id="ann",
)  # fmt: skip
SET = StateOp(op="set", key="city", value='"Oslo"')


def begun(definition: AgentDefinition = PLAIN) -> Live:
    return live.new(ROW, agent_run.initial(live.identity(ROW), definition))


def hear(before: Live, heard: Heard, **more: object) -> tuple[Drafted, Sequence[RunEvent]]:
    events = before.kind.decide(before.state, heard)
    return drafted(before, events, now=NOW, **more), events  # type: ignore[arg-type]


def after(definition: AgentDefinition, *heard: Heard) -> Live:
    return reduce(lambda now, one: hear(now, one)[0].told.live, heard, begun(definition))


def test_the_first_decision_brings_the_row_its_standing_and_the_net():
    made, events = hear(begun(), START)
    assert [one.type for one in events] == ["run.accepted.v1", "run.started.v1", "context.built.v1"]
    assert (made.append.row, made.append.standing) == (ROW, "active")
    assert made.append.wake_at == NOW + WAKE_AFTER
    assert [one.seq for one, _ in made.told.fresh] == [1, 2, 3]
    assert made.told.live.head.seq == 3
    assert made.told.moved


def test_14_every_event_names_the_rules_that_decided_it_when_and_by_what():
    decided, _ = hear(begun(), START, causation="m1")
    for one, _ in decided.told.fresh:
        assert (one.rules_version, one.recorded_at, one.causation_id) == (RULES_VERSION, NOW, "m1")


def test_a_later_decision_names_a_standing_only_when_it_moves():
    asked = after(PLAIN, START)
    acting, _ = hear(asked, replied(calls=[("lookup", "{}")]))
    assert (acting.append.row, acting.append.standing, acting.append.wake_at) == (None,) * 3
    assert not acting.told.moved
    paused, _ = hear(asked, replied(calls=[("refund", "{}")]))
    assert (paused.append.standing, paused.told.moved) == ("paused", True)


def test_5_what_is_recorded_after_an_end_brings_the_run_back_until_it_is_told():
    """Its row may have left `open_runs`: who dies before this is told leaves it to the supervisor."""
    ended = after(PLAIN, START, Cancel())
    late, events = hear(ended, replied(text="too late"))
    assert [one.type for one in events] == ["call.settled.v1"]
    assert (late.append.standing, late.append.wake_at) == ("ended", NOW + WAKE_AFTER)
    assert not late.told.moved  # nobody's turn comes by it


def test_a_deadline_that_is_nearer_than_the_net_is_looked_at_in_time():
    near = "2026-11-24T16:00:05.000000Z"
    start = START.__class__(ACCEPTED.model_copy(update={"deadline": near}), free=True)
    assert hear(begun(), start)[0].append.wake_at == parse_time(near)


def test_what_was_asked_before_is_not_asked_again_unless_the_run_was_loaded():
    asked = after(PLAIN, START, replied(calls=[("lookup", "{}"), ("lookup", "{}")]))
    warm, events = hear(asked, returned(at=0))
    assert [one.type for one in events] == ["tool.returned.v1"]
    assert warm.told.commands == ()
    (again,) = drafted(asked, events, now=NOW, cold=True).told.commands
    assert isinstance(again, RunTool)
    # Loaded, told again, and kept: what it has asked for is what it waits for.
    kept = replace(asked, asked=None)
    assert drafted(kept, events, now=NOW).told.commands == ()


def test_an_event_that_has_no_canonical_form_is_refused_as_data():
    acting = after(PLAIN, START, replied(calls=[("lookup", "{}")]))
    broken = returned().model_copy(update={"content": "\ud800"})
    with pytest.raises(DataRefused):
        drafted(acting, [broken], now=NOW)


def test_state_that_a_task_brings_and_that_tools_change_gets_the_next_versions():
    first, _ = hear(begun(), START, beside=Beside(ops=(SET,)))
    made = decision(begun(), START, [first], beside=Beside(ops=(SET,)), state_version=4)
    (brought,) = made.session_ops
    assert (brought.state_version, brought.seq, brought.run_no) == (5, 1, 1)
    assert orjson.loads(brought.ops)[0]["key"] == "city"
    acting = after(PLAIN, START, replied(calls=[("lookup", "{}")]))
    heard = returned().model_copy(update={"state_ops": (SET, SET)})
    changed, _ = hear(acting, heard)
    made = decision(acting, heard, [changed], beside=Beside(), state_version=5)
    assert [(one.state_version, one.seq) for one in made.session_ops] == [(6, 6)]
    assert made.clear_calls == (ledger_key(1, "r:t1.0"),)


def test_a_message_that_answers_no_call_clears_none():
    asked = after(PLAIN, START)
    made, _ = hear(asked, Cancel("enough", "ann"))
    beside = Beside(hold=(Held("default", "h", 1, "text"),), inbox_done=(("default", "r"),))
    whole = decision(asked, Cancel("enough", "ann"), [made], beside=beside, state_version=0)
    assert (whole.clear_calls, whole.hold, whole.inbox_done) == (
        (), beside.hold, beside.inbox_done,
    )  # fmt: skip


def test_held_text_is_let_go_once_it_was_checked():
    ref = TextRef(held="input", digest="hmac:h")
    start = START.__class__(
        ACCEPTED.model_copy(update={"input": None, "held_input": ref}), free=True
    )
    waits = after(CHECKED, start)
    assert kinds.held(waits.state) == "input"
    assert released(waits, checked(), waits) == ()
    told = after(CHECKED, start, checked())
    assert released(waits, checked(), told) == (("default", "input"),)
    assert kinds.held(told.state) is None
    turn = replace(start, free=False)  # and of a run that ends before its turn has come
    queued, ended = after(CHECKED, turn), after(CHECKED, turn, Cancel())
    assert kinds.held(queued.state) == "input"
    assert released(queued, Cancel(), ended) == (("default", "input"),)


def test_a_message_held_for_a_review_is_let_go_with_its_run():
    asked = after(REVIEWED, START)
    reviewing = after(REVIEWED, START, held())
    assert (kinds.held(reviewing.state), released(asked, held(), reviewing)) == ("h", ())
    ended = after(REVIEWED, START, held(), Cancel(None, None))
    assert released(reviewing, Cancel(None, None), ended) == (("default", "h"),)
    late = after(REVIEWED, START, Cancel(None, None))
    assert released(late, held(), late) == (("default", "h"),)
    assert released(late, Late(held()), late) == (("default", "h"),)


@pytest.mark.parametrize(
    ("heard", "learn", "kept"),
    [(replied(text="done"), True, True), (replied(text="done"), False, False),
     (Cancel(None, None), True, False), (replied(calls=[("lookup", "{}")]), True, False)],
)  # fmt: skip
def test_only_a_completed_run_is_remembered_and_only_where_it_is_asked_for(
    heard: Heard, learn: bool, kept: bool
):
    made, events = hear(after(PLAIN.model_copy(update={"learn": learn}), START), heard)
    assert remembers(made.told, events) is kept


def test_the_child_that_remembers_is_the_same_whoever_makes_it_and_is_not_remembered():
    parent = after(PLAIN.model_copy(update={"learn": True}), START, replied(text="done"))
    began, start = child(parent, run_no=7, now=NOW, latest=NOW)
    later = NOW + timedelta(seconds=5)
    again, _ = child(parent, run_no=7, now=later, latest=later)
    assert began.row.run_id == again.row.run_id
    assert (began.row.kind, began.row.turn, began.row.parent_run_no) == ("memory", None, 1)
    assert start.accepted.about is not None
    assert start.accepted.about.seq == parent.head.seq
    latest = NOW + timedelta(milliseconds=PLAIN.limits.deadline_ms)  # as long as its parent had
    assert parse_time(start.accepted.deadline) == latest
    made, events = hear(began, start)
    assert (standing(made.told.live.state), remembers(made.told, events)) == ("active", False)
    (asked,) = made.told.commands
    assert isinstance(asked, Remember)


def test_a_turn_that_is_not_free_waits_and_looks_no_earlier_than_it_must():
    made, _ = hear(begun(), START.__class__(ACCEPTED, free=False))
    assert made.append.standing == "waiting"
    assert kinds.held(made.told.live.state) is None
    assert kinds.next_look([]) is None
