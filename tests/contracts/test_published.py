"""Topic, class, schema and example hold together: nothing undocumented, nothing dead."""

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import TypeAdapter

from actalog_contracts import published, topics
from actalog_contracts.base import Message
from actalog_contracts.border import decode
from actalog_contracts.calls import AnyCommand, AnyReply, Command
from actalog_contracts.catalogue import Entry, catalogue, type_name
from actalog_contracts.publish import FOLDER, drift, generate, main, unsealed, without_example
from actalog_contracts.published import type_of
from actalog_contracts.reference import reference, spliced
from actalog_contracts.tasks import TaskSubmit
from actalog_core.canonical import canonical
from actalog_core.events import decode as decode_event
from actalog_core.events import encode

ENTRIES = catalogue()
EXAMPLES = published.examples()
EVENTS = [name for name in EXAMPLES if ENTRIES[type_of(name)].in_envelope]
INBOUND = [name for name in EXAMPLES if ENTRIES[type_of(name)].direction == "inbound"]
OTHERS = [name for name in EXAMPLES if name not in EVENTS and name not in INBOUND]


def schema(entry: Entry) -> dict[str, Any]:
    told = published.schema(entry.type)
    assert told is not None
    return json.loads(told)


def test_the_committed_files_are_what_the_code_says():
    assert drift(FOLDER, generate(FOLDER)) == []


def test_every_type_has_an_example_and_every_example_a_type():
    assert without_example(FOLDER, ENTRIES) == []
    assert {type_of(name) for name in EXAMPLES} == ENTRIES.keys()


def test_no_example_was_ever_edited():
    assert unsealed(FOLDER) == ([], [])


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_satisfies_its_schema(name: str):
    jsonschema.validate(
        EXAMPLES[name], schema(ENTRIES[type_of(name)]), cls=jsonschema.Draft202012Validator
    )


@pytest.mark.parametrize("name", INBOUND)
def test_what_producers_send_passes_the_border_and_an_unknown_field_does_not(name: str):
    assert decode(json.dumps(EXAMPLES[name]).encode(), {}).message.type == type_of(name)
    typo = {**EXAMPLES[name], "targte": 1}
    with pytest.raises(jsonschema.ValidationError, match="targte"):
        jsonschema.validate(typo, schema(ENTRIES[type_of(name)]))


@pytest.mark.parametrize("name", [*OTHERS, *EVENTS])
def test_what_the_platform_writes_may_grow_fields(name: str):
    grown = {**EXAMPLES[name], "of_a_newer_build": 1}
    jsonschema.validate(grown, schema(ENTRIES[type_of(name)]))


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_may_have_its_payload_elsewhere(name: str):
    ref = {"digest": "d", "bytes": 1_000_000, "url": "/v1/runs/r/log?after=0&limit=1"}
    jsonschema.validate(
        {**EXAMPLES[name], "payload": {}, "payload_ref": ref}, schema(ENTRIES[type_of(name)])
    )


@pytest.mark.parametrize("name", OTHERS)
def test_messages_are_read_and_written_as_they_stand(name: str):
    model = ENTRIES[type_of(name)].model
    read = model.model_validate({**EXAMPLES[name], "of_a_newer_build": 1})
    assert read.model_dump(mode="json", exclude_none=True) == EXAMPLES[name]


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_is_read_for_ever_and_has_the_same_bytes_again(name: str):
    told = EXAMPLES[name]
    stored = canonical(told["payload"])
    assert encode(decode_event(told["type"], stored)) == (told["type"], stored)


def test_commands_and_replies_are_told_apart_by_their_type():
    commands: TypeAdapter[Command] = TypeAdapter(AnyCommand)
    replies: TypeAdapter[Message] = TypeAdapter(AnyReply)
    for name in OTHERS:
        carriers = ENTRIES[type_of(name)].topics
        if set(carriers) & set(topics.COMMAND_TOPICS.values()):
            assert type_name(type(commands.validate_python(EXAMPLES[name]))) == type_of(name)
        if topics.REPLIES in carriers:
            assert type_name(type(replies.validate_python(EXAMPLES[name]))) == type_of(name)


def test_every_command_has_its_topic_and_every_topic_its_readers_and_writers():
    for model, topic in topics.COMMAND_TOPICS.items():
        assert topic.messages == (model,)
    for topic in topics.TOPICS:
        assert topic.messages
        assert topic.producers
        assert topic.consumers
    assert len({topic.name for topic in topics.TOPICS}) == len(topics.TOPICS)


def test_asyncapi_has_every_topic_with_its_messages_keys_retention_and_examples():
    told = json.loads(published.asyncapi())
    addresses = {channel["address"] for channel in told["channels"].values()}
    dead = {topics.dlq_name(topic) for topic in topics.TOPICS if topic.dead_letters}
    assert addresses == {
        *map(topics.full_name, topics.TOPICS), *dead, f"actalog.{topics.CHECKPOINTS}",
    }  # fmt: skip
    for topic in topics.TOPICS:
        channel = told["channels"][topic.name]
        bindings = channel["bindings"]["kafka"]["topicConfiguration"]
        assert bindings["retention.ms"] == topic.retention_ms
        assert set(channel["messages"]) == {e.type for e in ENTRIES.values() if topic in e.topics}
    shown = {m["name"] for m in told["components"]["messages"].values() if m.get("examples")}
    assert shown == {entry.type for entry in ENTRIES.values() if entry.topics}


def test_the_asyncapi_document_is_whole():
    """Who keeps it as one file has all that it refers to."""
    told = json.loads(published.asyncapi())

    def references(value: Any) -> list[str]:
        if isinstance(value, list):
            return [ref for one in value for ref in references(one)]  # pyright: ignore[reportUnknownVariableType]
        if not isinstance(value, dict):
            return []
        found = [ref for one in value.values() for ref in references(one)]  # pyright: ignore[reportUnknownVariableType]
        return [value["$ref"], *found] if isinstance(value.get("$ref"), str) else found  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]

    for path in references(told):
        at: Any = told
        for part in path.split("/"):
            at = told if part == "#" else at[part]
    fields = told["components"]["messages"]["task.submit.v1"]["payload"]["schema"]["properties"]
    assert fields.keys() == TaskSubmit.model_fields.keys()


@pytest.mark.parametrize("type", ["../topics", "run.result.v2", "", "a/b", "examples"])
def test_only_schemas_are_served(type: str):
    assert published.schema(type) is None


def copied(folder: Path) -> Path:
    for path in FOLDER.rglob("*"):
        if path.suffix in (".json", "") and path.is_file():
            target = folder / path.relative_to(FOLDER)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    return folder


def test_check_names_what_differs_and_writing_mends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = copied(tmp_path)
    (folder / "schemas/run.started.v1.json").unlink()
    (folder / "asyncapi.json").write_text("{}")
    assert main(["check", "--folder", str(folder)]) == 1
    told = capsys.readouterr().err
    assert "schemas/run.started.v1.json: is not there" in told
    assert "asyncapi.json: differs" in told
    assert main(["--folder", str(folder)]) == 0
    assert main(["check", "--folder", str(folder)]) == 0


def test_a_breaking_change_is_named_and_not_written_unless_accepted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = copied(tmp_path)
    path = folder / "schemas/run.cancel.v1.json"
    old = json.loads(path.read_text())
    old["properties"]["urgency"] = {"type": "string"}
    path.write_text(json.dumps(old))
    (folder / "schemas/run.pause.v1.json").write_text("{}")
    assert main(["--folder", str(folder)]) == 1
    told = capsys.readouterr().err
    assert "breaking: run.cancel.v1: removed: urgency" in told
    assert "breaking: run.pause.v1: removed: the type is gone" in told
    assert json.loads(path.read_text()) == old
    assert main(["--folder", str(folder), "--accept-breaking"]) == 0
    assert main(["check", "--folder", str(folder)]) == 0


def test_an_edited_example_and_a_new_one_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = copied(tmp_path)
    (folder / "examples/run.cancel.v1.json").write_text('{"run_id": "other"}')
    assert main(["--folder", str(folder)]) == 1
    assert "examples/run.cancel.v1.json: an example is never edited" in capsys.readouterr().err
    folder = copied(tmp_path)
    (folder / "examples/run.cancel.v1-short.json").write_text('{"run_id": "r"}')
    assert main(["check", "--folder", str(folder)]) == 1
    assert "run.cancel.v1-short.json: is not sealed" in capsys.readouterr().err
    (folder / "examples/run.started.v1.json").unlink()
    assert main(["check", "--folder", str(folder)]) == 1
    assert "run.started.v1: has no example" in capsys.readouterr().err


PAGE = Path(__file__).parents[2] / "docs" / "reference" / "messages.md"


def test_the_reference_page_has_every_message_as_the_code_has_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    page = PAGE.read_text()
    assert spliced(page, reference(ENTRIES)) == page
    assert [e.type for e in ENTRIES.values() if e.topics and f"### {e.type}\n" not in page] == []
    aged = tmp_path / "page.md"
    aged.write_text(page.replace("| `run_id` | text | yes |", ""))
    folder = copied(tmp_path / "published")
    assert main(["check", "--folder", str(folder), "--docs", str(aged)]) == 1
    assert "page.md: differs" in capsys.readouterr().err
    assert main(["--folder", str(folder), "--docs", str(aged)]) == 0
    assert aged.read_text() == page


def test_the_module_is_a_program(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.argv", ["publish", "check"])
    monkeypatch.delitem(sys.modules, "actalog_contracts.publish")  # runpy runs it anew
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("actalog_contracts.publish", run_name="__main__")
    assert ended.value.code == 0


def test_a_page_without_marks_is_told():
    with pytest.raises(ValueError, match="the page needs"):
        spliced("# A page", "tables")


@pytest.mark.parametrize("type", ["", "..", "x/y", "run.accepted", "a" * 300, "a" * 5_000])
def test_what_is_no_type_has_no_schema(type: str):
    assert published.schema(type) is None
