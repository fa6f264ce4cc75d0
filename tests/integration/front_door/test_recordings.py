"""Runs kept in a file: replayed as a test, compared with today's agents, safe from changes."""

from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from actalog import Agent, App, tool
from actalog.recording import NoRecording, RecordingChanged
from actalog.testing import Differs, ScriptedModel, call, isolated_platform, replay


@tool(read_only=True)
async def order_status(order_id: str) -> str:
    """Where an order is."""
    return f"order {order_id} is on its way"


def support(instructions: str, model: ScriptedModel | None = None) -> Agent:
    return Agent(
        name="support", model=model or "openai:m", instructions=instructions, tools=[order_status],
        add_history_to_context=True, update_memory_on_run=True,
    )  # fmt: skip


@pytest.fixture
async def file(tmp_path: Path) -> Path:
    """Two turns of a session; only the second one was asked for."""
    model = ScriptedModel(
        lambda request: "It is on its way." if request.messages[-1].role == "tool"
        else call("order_status", order_id="7") if request.tools else '{"operations": []}'
    )  # fmt: skip
    path = tmp_path / "recorded.jsonl"
    app = App(agents=[support("Be brief.", model)])
    async with isolated_platform(app) as platform:
        await platform.run("support", "Where is order 7?", session_id="s", user_id="ann")
        await platform.run("support", "Sure?", session_id="s", user_id="ann", run_id="second")
        assert await platform.record(path, "second") == 1
    return path


def lines_of(file: Path) -> list[bytes]:
    return file.read_bytes().splitlines()


async def test_recorded_runs_replay_without_a_platform(file: Path):
    assert replay(file).runs == ["second"]
    kinds = [orjson.loads(line)["type"] for line in lines_of(file)]
    assert kinds.count("run") == 2  # the first turn stands in the second one's prompt


def test_recorded_runs_replay_in_a_test_without_a_loop(file: Path):
    assert replay(str(file)).runs == ["second"]


async def test_one_changed_word_of_the_instructions_is_shown_as_a_diff(file: Path):
    choice = orjson.loads(orjson.loads(lines_of(file)[1])["body"])["model"]["id"]
    same = App(agents=[Agent(
        name="support", model=f"openai:{choice}", instructions="Be brief.", tools=[order_status],
        add_history_to_context=True, update_memory_on_run=True, retries=0,
    )])  # fmt: skip
    assert replay(file, same).runs == ["second"]
    with pytest.raises(Differs) as told:
        replay(file, App(agents=[support("Be kind.")]))
    assert "-Be brief." in str(told.value)
    assert "+Be kind." in str(told.value)
    assert replay(file, App(agents=[Agent(name="other", model="openai:m")])).runs == ["second"]


Change = Callable[[list[bytes]], list[bytes]]
CHANGES: list[tuple[Change, str]] = [
        (lambda lines: [one.replace(b"on its way", b"lost") for one in lines], "not as it was"),
        (lambda lines: lines[:-4] + lines[-3:], "not as it was"),
        (lambda lines: lines[1:], "does not begin with"),
        (lambda lines: [], "does not begin with"),
        (lambda lines: [*lines, b"{"], "JSONDecodeError"),
        (lambda lines: [*lines, b'{"type":"more"}'], "a line of type 'more'"),
        (lambda lines: [*lines, b'{"type":"event","run_no":99}'], "KeyError"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "says"), CHANGES)
def test_a_file_that_was_changed_is_no_recording(file: Path, change: Change, says: str):
    file.write_bytes(b"\n".join(change(lines_of(file))))
    kind = RecordingChanged if says == "not as it was" else NoRecording
    with pytest.raises(kind, match=says) as told:
        replay(file)
    assert str(file) in str(told.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path):
    with pytest.raises(NoRecording, match=r"no\.jsonl: No such file"):
        replay(tmp_path / "no.jsonl")
