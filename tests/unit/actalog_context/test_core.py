import json

from actalog_context.core import Found, built
from actalog_contracts.runs import HistoryRun, MemoryNote
from actalog_log.ports import SessionOp
from tests.unit.actalog_conductor.spec import PLAIN

ALL = PLAIN.model_copy(
    update={
        "history_runs": 2, "memories": True, "summary": True, "show_state": True,
        "session_state": '{"cart": [], "n": 1}',
    }
)  # fmt: skip


def op(version: int, **ops: str) -> SessionOp:
    return SessionOp("default", "s", version, 1, 1, json.dumps([ops]))


def test_history_is_told_oldest_first_and_by_reference():
    context = built("c", ALL, Found(history=[(3, "r3", 9), (1, "r1", 5)]))
    assert context.history == (
        HistoryRun(run_no=1, run_id="r1", seq=5), HistoryRun(run_no=3, run_id="r3", seq=9),
    )  # fmt: skip


def test_state_is_folded_in_the_order_of_its_versions():
    operations = [
        op(1, op="append", key="cart", value='"drill"'), op(2, op="increment", key="n", value="2"),
        op(4, op="set", key="who", value='"ann"'), op(7, op="delete", key="cart"),
    ]  # fmt: skip
    context = built("c", ALL, Found(operations=operations))
    assert json.loads(context.session_state or "") == {"n": 3, "who": "ann"}
    assert context.state_version == 7


def test_a_state_nobody_changed_is_the_definitions():
    context = built("c", ALL, Found(operations=[]))
    assert json.loads(context.session_state or "") == {"cart": [], "n": 1}
    assert context.state_version == 0


def test_each_choice_has_its_reason():
    context = built("c", ALL, Found(history=[], memories=[MemoryNote(id="1", text="x")]))
    assert [reason.split(":")[0] for reason in context.reasons] == [
        "history",
        "memories",
        "summary",
    ]
    assert "no user" in built("c", ALL, Found()).reasons[0]


def test_what_is_not_asked_for_is_not_there():
    context = built("c", PLAIN, Found())
    assert (context.session_state, context.reasons, context.history) == (None, (), ())


def test_the_same_question_has_the_same_answer():
    found = Found(
        history=[(3, "r3", 9)], summary="s", operations=[op(1, op="set", key="k", value="1")]
    )
    assert built("c", ALL, found) == built("c", ALL, found)
