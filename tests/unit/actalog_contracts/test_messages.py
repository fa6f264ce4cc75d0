from actalog_contracts.base import Usage
from actalog_contracts.calls import RunTool, answer
from actalog_contracts.runs import ToolReturned


def test_usage_adds_up_and_names_each_model_once():
    one = Usage(input_tokens=1, output_tokens=2, total_tokens=3, model_calls=1, models=("a",))
    other = Usage(input_tokens=4, tool_calls=1, cost="0.1", estimated=True, models=("b", "a"))
    both = one.plus(other)
    assert (both.input_tokens, both.model_calls, both.tool_calls) == (5, 1, 1)
    assert both.models == ("a", "b")
    assert both.estimated
    assert other.plus(one).estimated
    assert not one.plus(one).estimated
    assert Usage().plus(one) == one


def test_costs_add_up_exactly_and_unknown_ones_add_nothing():
    known, unknown = Usage(cost="0.0000001"), Usage()
    assert known.plus(Usage(cost="0.2")).cost == "0.2000001"
    assert known.plus(unknown).cost == unknown.plus(known).cost == "0.0000001"
    assert unknown.plus(unknown).cost is None


def test_an_answer_goes_back_to_the_run_that_asked():
    command = RunTool(
        tenant_id="t", run_no=7, run_id="r", session_id="s", call_id="c", definition="d",
        deadline="2026-01-01T00:00:00Z", name="f", path="p", arguments="{}", effect="once",
        timeout_ms=1, output_limit=1,
    )  # fmt: skip
    told = answer(command, ToolReturned(call_id="c", content="done"))
    assert (told.tenant_id, told.run_no, told.run_id, told.session_id) == ("t", 7, "r", "s")
    assert told.outcome.type == "tool.returned.v1"
