"""Commands and what answers them."""

from actalog_contracts.calls import CallStored, RunTool, answer, lies_in_ledger
from actalog_contracts.runs import ToolReturned

COMMAND = RunTool(
    tenant_id="acme", run_no=7, run_id="r", session_id="s", call_id="r:t1.0",
    definition="sha256:d", deadline="2026-01-01T00:00:00Z", name="n", path="p", arguments="{}",
    effect="once", timeout_ms=1, output_limit=1,
)  # fmt: skip


def test_an_answer_and_its_place_name_the_run_and_the_call():
    told = answer(COMMAND, ToolReturned(call_id="r:t1.0", content="x"))
    place = lies_in_ledger(COMMAND)
    assert isinstance(place, CallStored)
    for one in (told, place):
        assert (one.tenant_id, one.run_no, one.run_id, one.session_id) == ("acme", 7, "r", "s")
    assert place.call_id == told.outcome.call_id
