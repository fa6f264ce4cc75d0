"""Servers that answer with something else than a stream."""

import json

import httpx2
import pytest

from actalog_llm.adapters import events
from actalog_llm.failures import failure
from actalog_llm.providers import Dialect
from actalog_llm.whole import Broken
from tests.unit.actalog_llm.wires import Handler, Pieces, named, response, sse, through

WHOLE = {
    "id": "c1", "object": "chat.completion", "model": "m-1",
    "choices": [{
        "index": 0, "finish_reason": "tool_calls",
        "message": {"role": "assistant", "content": "Look.", "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        ]},
    }],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
}  # fmt: skip


def answers(body: object) -> Handler:
    return lambda _: httpx2.Response(200, json=body)


async def test_an_answer_in_one_piece_is_an_answer():
    answered, shown = await through("openai", answers(WHOLE))
    whole = answered.whole
    assert (whole.text, whole.finish, whole.calls[0].name) == ("Look.", "tool_calls", "f")
    assert whole.usage is not None
    assert shown == [("text", "Look.")]


@pytest.mark.parametrize(
    ("error", "kind", "retry"),
    [
        # LM Studio's, of an address without its /v1
        ("Unexpected endpoint or method. (POST /chat/completions)", "invalid_request", False),
        ({"message": "Provider disconnected", "code": 502}, "overloaded", True),
        ({"message": "no", "type": "authentication_error"}, "auth", False),
    ],
)
async def test_an_error_under_a_good_status_is_an_error(error: object, kind: str, retry: bool):
    with pytest.raises(Exception) as caught:  # noqa: PT011, what kind is asserted below
        await through("openai", answers({"error": error}))
    told = failure(caught.value)
    assert (told.kind, told.retry) == (kind, retry)
    assert told.message in str(error)


@pytest.mark.parametrize("idle", [": keep-alive\n\n", "event: ping\n\n", "data: \n\n", ":\n"])
async def test_signs_of_life_are_no_chunks(idle: str):
    done = {"choices": [{"delta": {"content": "hi"}, "finish_reason": "stop"}]}
    answered, _ = await through("openai", [sse(idle, done, idle)])
    assert answered.whole.text == "hi"


@pytest.mark.parametrize("rest", ["data: {\n\n", "data: null\n\n"])
async def test_what_is_broken_behind_a_whole_message_breaks_it_no_more(rest: str):
    done = {"choices": [{"delta": {"content": "hi"}, "finish_reason": "stop"}]}
    answered, _ = await through("openai", [sse(done, rest)])
    assert (answered.whole.text, answered.whole.finish) == ("hi", "stop")


async def test_an_event_that_is_called_an_error_is_one():
    with pytest.raises(Exception, match="out of memory") as caught:
        await through("openai", [b'event: error\ndata: {"message": "out of memory"}\n\n'])
    assert failure(caught.value).kind == "overloaded"


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
async def test_a_page_asks_whether_the_address_is_right(dialect: Dialect):
    body = Pieces([b"<html>Welcome</html>"])
    page = httpx2.Response(200, headers={"content-type": "text/html; charset=utf-8"}, stream=body)
    with pytest.raises(Broken, match="answered with a page") as caught:
        await through(dialect, lambda _: page)
    assert caught.value.kind == "malformed"
    assert "http://model.test/v1/" in caught.value.message
    assert body.closed


async def test_an_endless_document_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(events, "MOST_BYTES", 100)
    endless = response([b"{" * 60] * 9, **{"content-type": "application/json"})
    with pytest.raises(Broken, match="over 100 bytes"):
        await through("openai", lambda _: endless)


@pytest.mark.parametrize(
    "kind", ["text/plain", "text/event-stream; charset=utf-8", "", "application/json"]
)
async def test_a_stream_may_be_called_otherwise(kind: str):
    done = sse({"choices": [{"delta": {"content": "hi"}, "finish_reason": "stop"}]})
    answered, _ = await through("openai", lambda _: response([done], **{"content-type": kind}))
    assert answered.whole.text == "hi"
    done = named({"type": "message_delta", "delta": {"stop_reason": "end_turn"}})
    answered, _ = await through("anthropic", lambda _: response([done], **{"content-type": kind}))
    assert answered.whole.finish == "stop"


JSON = {"content-type": "application/json; charset=utf-8"}


@pytest.mark.parametrize("before", [b"", b"\r\n \n", b"\xef\xbb\xbf", b": hello\n\n"])
async def test_what_is_called_json_is_told_by_how_it_begins(before: bytes):
    done = sse({"choices": [{"delta": {"content": "hi"}, "finish_reason": "stop"}]})
    letters = [bytes([one]) for one in before + done]
    answered, shown = await through("openai", lambda _: response(letters, **JSON))
    assert (answered.whole.text, shown) == ("hi", [("text", "hi")])
    if not before.startswith(b":"):
        body = before.replace(b"\xef\xbb\xbf", b" ") + httpx2.Response(200, json=WHOLE).content
        letters = [bytes([one]) for one in body]
        answered, _ = await through("openai", lambda _: response(letters, **JSON))
        assert answered.whole.text == "Look."


async def test_nothing_that_is_called_json_is_no_answer():
    with pytest.raises(Exception) as caught:  # noqa: PT011, what kind is asserted below
        await through("openai", lambda _: response([b" "], **JSON))
    assert failure(caught.value).kind == "malformed"


async def test_nothing_without_end_that_is_called_json_does_not_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(events, "MOST_BYTES", 200)
    body = [b" \n" * 50] * 2 + [httpx2.Response(200, json=WHOLE).content[:1]]
    with pytest.raises(json.JSONDecodeError):  # of the piece behind it
        await through("openai", lambda _: response(body, **JSON))
    with pytest.raises(Exception, match="begins with over 200 bytes of nothing") as caught:
        await through("openai", lambda _: response([b" \n" * 50] * 3, **JSON))
    assert failure(caught.value).kind == "malformed"
