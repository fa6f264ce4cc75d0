"""Arguments of tools that are too large to travel: in commands, and in what a person is shown."""

import json
from datetime import UTC, datetime

from actalog_conductor import agent_run, calls
from actalog_conductor.live import Live
from actalog_conductor.results import LIMIT_BYTES, result_of, shortened
from actalog_contracts.calls import RunTool
from actalog_contracts.runs import ToolFailed
from actalog_log.ports import Head, RunRow
from tests.unit.actalog_conductor.spec import START, Spec, replied

NOW = datetime(2026, 11, 24, tzinfo=UTC)
ROW = RunRow(
    run_no=1, tenant_id="default", run_id="r", session_id="s", turn=1, kind="agent",
    target="agent:a", definition="sha256:1", body_digest="hmac:1", accepted_at=NOW,
)  # fmt: skip


def arguments(size: int) -> str:
    """So many bytes where they are a text in JSON: its quotes are escaped there."""
    empty = json.dumps({"text": ""})
    return json.dumps({"text": "x" * (size - calls.size(empty))})


def test_what_no_command_can_carry_is_told_to_the_model_and_runs_not():
    large = arguments(calls.MOST_ARGUMENTS + 1)
    spec = Spec().given(START).when(replied(calls=[("lookup", large)]))
    spec.then("model.replied", "tool.called", "tool.failed").asks("model.call.v1", "deadline")
    failed = spec.events[-1]
    assert isinstance(failed, ToolFailed)
    assert failed.kind == "arguments"
    assert "800000 bytes" in failed.message
    assert len(failed.message) < 300


def test_the_largest_that_runs_fits_into_a_record():
    spec = Spec().given(START, replied(calls=[("lookup", arguments(calls.MOST_ARGUMENTS))]))
    (command,) = [d.command for d in agent_run.due(spec.now) if isinstance(d.command, RunTool)]
    assert len(command.model_dump_json()) < LIMIT_BYTES


def test_of_the_calls_of_one_message_those_run_that_fit():
    most = calls.MOST_ARGUMENTS
    asked = [("lookup", arguments(one)) for one in (most // 2, most, most // 2, most // 4)]
    spec = Spec().given(START).when(replied(calls=asked))
    failed = [event.call_id for event in spec.events if isinstance(event, ToolFailed)]
    assert failed == ["r:t1.1", "r:t1.3"]
    spec.asks("tool.run.v1", "tool.run.v1", "deadline")


def test_a_person_is_told_where_arguments_are_that_are_too_large_to_be_shown():
    """Those of a message fit together; with all that a result has beside them they may not."""
    spec = Spec().given(START, replied(calls=[("refund", arguments(700_000)), ("refund", "{}")]))
    asked = result_of(Live(ROW, spec.now, Head(5, b""), 5, 5, NOW)).requirements
    short, small = map(shortened, asked)
    assert small == asked[1]
    assert short.tool_call is not None
    assert asked[0].tool_call is not None
    assert short.tool_call.digest == asked[0].tool_call.digest
    assert short.tool_call.arguments == (
        f"{len(json.dumps(asked[0].tool_call.arguments, separators=(',', ':')))} bytes, too many to"
        " be shown here: /v1/runs/r/log has them"
    )
