"""What a task brings beside its text, in the form of each provider."""

import base64
import json
from typing import Any

import pytest

from actalog_contracts.definitions import ModelChoice
from actalog_contracts.runs import ContextBuilt, HistoryRun, InputChecked, ModelNeeded, RunStarted
from actalog_llm import wire
from actalog_llm.media import NotTaken, blobs_of, mime_of
from actalog_llm.prompt import Prompt, render_prompt, shown
from actalog_llm.prompt.messages import Attached
from tests.unit.actalog_llm.log import AGENT, accepted, held, replied, returned, run

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n....").decode()
PDF = base64.b64encode(b"%PDF-1.7 ....").decode()
TEXT = base64.b64encode("naïve".encode()).decode()
ADDRESS = "https://example.org/cat.png?size=2"
PLAIN = AGENT.model_copy(update={"tools": (), "description": None, "instructions": (),
                                 "expected_output": None})  # fmt: skip


def media(*each: dict[str, Any]) -> str:
    """As the log has it: every field of each."""
    names = ("type", "mime_type", "filename", "url", "data", "blob")
    return json.dumps([{name: one.get(name) for name in names} for one in each])


def prompt(*each: dict[str, Any], text: str | None = "What is it?") -> Prompt:
    events = run(accepted(text, media=media(*each)), RunStarted())
    return render_prompt(PLAIN, events, {}, params="{}")


def user(provider: str, *each: dict[str, Any], text: str = "What is it?") -> Any:
    """What the user's message says to a provider."""
    choice = ModelChoice(provider=provider, id="m")
    (message,) = wire.body(choice, prompt(*each, text=text), {"b1": ("image/png", b"bytes")})[
        "messages"
    ]
    assert message["role"] == "user"
    return message["content"]


IMAGE_URL = {"type": "image", "url": ADDRESS}
IMAGE = {"type": "image", "data": PNG}
BLOB = {"type": "image", "blob": "b1"}
SOUND = {"type": "audio", "mime_type": "audio/mpeg", "data": "QUFB"}
PAPER = {"type": "file", "filename": "bill.pdf", "data": PDF}
NOTE = {
    "type": "file",
    "mime_type": "text/markdown; charset=utf-8",
    "filename": "a.md",
    "data": TEXT,
}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (IMAGE_URL, {"type": "image_url", "image_url": {"url": ADDRESS}}),
        (IMAGE, {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}),
        (BLOB, {"type": "image_url", "image_url": {"url": "data:image/png;base64,Ynl0ZXM="}}),
        (SOUND, {"type": "input_audio", "input_audio": {"data": "QUFB", "format": "mp3"}}),
        (PAPER, {"type": "file", "file": {"filename": "bill.pdf",
                 "file_data": f"data:application/pdf;base64,{PDF}"}}),
        (NOTE, {"type": "text", "text": "a.md:\nnaïve"}),
    ],
    ids=["image by address", "image", "blob", "sound", "pdf", "text"],
)  # fmt: skip
def test_chat_completions_have_it_before_the_text(said: dict[str, Any], told: dict[str, Any]):
    text = {"type": "text", "text": "What is it?"}
    assert user("openai", said) == [told, text]
    assert user("openai", said, said, text="") == [told, told]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (IMAGE_URL, {"type": "image", "source": {"type": "url", "url": ADDRESS}}),
        (IMAGE, {"type": "image", "source": {"type": "base64", "media_type": "image/png",
                 "data": PNG}}),
        (BLOB, {"type": "image", "source": {"type": "base64", "media_type": "image/png",
                "data": "Ynl0ZXM="}}),
        (PAPER, {"type": "document", "title": "bill.pdf",
                 "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}}),
        ({"type": "file", "url": "https://example.org/a.pdf"},
         {"type": "document", "source": {"type": "url", "url": "https://example.org/a.pdf"}}),
        (NOTE, {"type": "document", "title": "a.md",
                "source": {"type": "text", "media_type": "text/plain", "data": "naïve"}}),
    ],
    ids=["image by address", "image", "blob", "pdf", "pdf by address", "text"],
)  # fmt: skip
def test_anthropic_has_it_before_the_text(said: dict[str, Any], told: dict[str, Any]):
    text = {"type": "text", "text": "What is it?"}
    assert user("anthropic", said) == [told, text]
    assert user("anthropic", said, said, text=" ") == [told, told]


@pytest.mark.parametrize(
    ("provider", "said", "why"),
    [
        ("openai", {"type": "video", "url": ADDRESS}, "no video by address"),
        ("openai", {"type": "audio", "url": ADDRESS}, "no audio by address"),
        ("openai", {"type": "audio", "mime_type": "audio/ogg", "data": "QUFB"}, "audio/ogg"),
        ("openai", {"type": "file", "url": ADDRESS}, "no file by address"),
        ("anthropic", SOUND, "no audio (audio/mpeg)"),
        ("anthropic", {"type": "image", "mime_type": "image/tiff", "data": "QUFB"}, "image/tiff"),
        ("anthropic", {"type": "file", "data": "QUFB"}, "octet-stream"),
        ("anthropic", {**NOTE, "data": "/////w=="}, "no UTF-8"),
        ("openai", {**NOTE, "data": "?"}, "no UTF-8, or no base64"),
        ("openai", {"type": "image", "blob": "gone"}, "blob: there is no such blob"),
    ],
)  # fmt: skip
def test_what_a_provider_does_not_take_is_named(provider: str, said: dict[str, Any], why: str):
    with pytest.raises(NotTaken, match=r"media\.1") as raised:
        user(provider, IMAGE, said)
    assert why in str(raised.value)


@pytest.mark.parametrize(
    ("one", "mime"),
    [
        (Attached("image", "", mime_type="Image/PNG; x=1", data="/9j/"), "image/png"),
        (Attached("image", "", data="/9j/AAAA"), "image/jpeg"),
        (Attached("image", "", data="R0lGODlh"), "image/gif"),
        (Attached("image", "", data="UklGRgAA"), "image/webp"),
        (Attached("file", "", data=PDF, filename="a.txt"), "application/pdf"),
        (Attached("file", "", data="QUFB", filename="a.txt"), "text/plain"),
        (Attached("file", "", url=ADDRESS), "image/png"),
        (Attached("file", "", data="QUFB"), "application/octet-stream"),
    ],
)  # fmt: skip
def test_a_media_type_that_was_not_said_is_seen(one: Attached, mime: str):
    assert mime_of(one) == mime


def test_its_record_refers_to_the_task_and_is_shown_again_from_the_log():
    events = run(accepted(media=media(IMAGE)), RunStarted())
    made = render_prompt(PLAIN, events, {}, params="{}")
    (first, _) = made.record.parts
    assert (first.role, first.run_no, first.seq, first.field) == ("media", 1, 1, "media")
    assert first.text is None
    assert shown(made.record, {1: events}) == list(made.parts)
    assert made.chars == len("Where?")  # tokens are estimated by it, and base64 is none of them


def test_a_later_turn_refers_to_the_prompt_before():
    begun = [accepted(media=media(IMAGE)), RunStarted()]
    first = render_prompt(AGENT, run(*begun), {}, params="{}").record
    events = run(*begun, replied(None, ("a", "{}"), prompt=first), returned(0, "found"))
    later = render_prompt(AGENT, events, {}, params="{}")
    assert later.record.parts[0].role == "prompt"
    assert [part.kind for part in later.parts].count("media") == 1
    assert shown(later.record, {1: events}) == list(later.parts)


def test_what_goes_with_a_text_that_waits_for_its_check_waits_too():
    waits = [accepted(None, held_input=held(), media=media(IMAGE)), RunStarted()]
    assert render_prompt(PLAIN, run(*waits), {}, params="{}").parts == ()
    passed = InputChecked(call_id="r:ci", verdict="passed", text="Look!")
    made = render_prompt(PLAIN, run(*waits, passed), {}, params="{}")
    assert [part.kind for part in made.parts] == ["media", "user"]


def test_later_runs_of_the_session_see_it_and_memories_hear_that_it_was_there():
    other = run(accepted("Look!", media=media({**IMAGE, "filename": "cat.png"}, BLOB)),
                replied("A cat."), run_no=2)  # fmt: skip
    recipe = ModelNeeded(
        call_id="r:s1", purpose="memories", template="Note.", refs=(HistoryRun(run_no=2, run_id="q", seq=2),),
        continuation="{}",
    )  # fmt: skip
    made = render_prompt(
        AGENT, run(accepted(), recipe), {2: other}, purpose="memories", params="{}"
    )
    assert [part.text for part in made.parts] == [
        "Note.",
        "[image cat.png], [image]",
        "Look!",
        "A cat.",
    ]
    assert blobs_of(made.parts) == {}
    assert blobs_of(prompt(BLOB, IMAGE, BLOB).parts) == {"b1": True}


def with_earlier(*each: dict[str, Any], own: dict[str, Any] | None = None) -> Prompt:
    """A run of a session in which an earlier run brought this."""
    context = ContextBuilt(history=(HistoryRun(run_no=2, run_id="q", seq=2),))
    events = run(accepted(media=media(*[own] if own else [])), RunStarted(), context)
    other = run(accepted("Look!", media=media(*each)), replied("I see."), run_no=2)
    return render_prompt(PLAIN, events, {2: other}, params="{}")


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_what_an_earlier_run_brought_and_this_model_does_not_take_is_named(provider: str):
    film = {"type": "video", "url": ADDRESS, "filename": "film.mp4"}
    gone = {"type": "image", "blob": "gone"}
    told = wire.body(
        ModelChoice(provider=provider, id="m"), with_earlier(film, gone, IMAGE_URL), {}
    )
    first, second, image, text = told["messages"][0]["content"]
    assert [one["text"] for one in (first, second, text)] == [
        "[video film.mp4]",
        "[image]",
        "Look!",
    ]
    assert image["type"] in ("image", "image_url")


def test_blobs_are_named_from_the_newest_on_and_with_whose_they_are():
    parts = with_earlier(BLOB, {**BLOB, "blob": "b2"}, own={**BLOB, "blob": "b3"}).parts
    assert list(blobs_of(parts).items()) == [("b3", True), ("b1", False), ("b2", False)]
    assert blobs_of(with_earlier(BLOB, own=BLOB).parts) == {"b1": True}


def test_without_any_a_message_is_the_text_alone():
    assert user("openai") == "What is it?"
    assert user("anthropic") == [{"type": "text", "text": "What is it?"}]


def test_base64_that_was_wrapped_is_sent_in_one_piece():
    wrapped = {"type": "image", "data": f"{PNG[:10]}\r\n{PNG[10:]}\n"}
    assert user("openai", wrapped) == user("openai", IMAGE)
