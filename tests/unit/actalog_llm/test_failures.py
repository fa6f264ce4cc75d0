"""What a failed attempt tells of its provider's error."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import anthropic
import httpx2
import openai
import pytest

from actalog_contracts.definitions import ModelChoice
from actalog_core.settings import Settings
from actalog_llm.failures import failure
from actalog_llm.providers import Dialect, endpoint, whereabouts

KEY = "sk-the-key-of-somebody"
URL = "http://model.test/v1/chat/completions"


def refused(status: int, body: object, dialect: Dialect = "openai") -> Exception:
    """The SDK's exception for a response."""
    sdk = (
        openai.AsyncOpenAI(api_key="k", base_url="http://model.test")
        if dialect == "openai"
        else anthropic.AsyncAnthropic(api_key="k")
    )
    text = body if isinstance(body, str) else json.dumps(body)
    response = httpx2.Response(
        status, text=text, request=httpx2.Request("POST", f"{URL}?api-version=1")
    )
    return sdk._make_status_error_from_response(response)  # pyright: ignore[reportPrivateUsage]


def test_a_key_that_the_provider_repeats_is_struck_out():
    error = RuntimeError(f"Incorrect API key provided: {KEY}. Bearer {KEY} is not known.")
    told = failure(error, secret=KEY)
    assert KEY not in told.message
    assert "***" in told.message


def test_without_a_key_the_message_stays_as_it_is():
    assert failure(RuntimeError("no such model")).message.endswith("no such model")


def gemini(code: int, message: str, **more: object) -> object:
    return [{"error": {"code": code, "message": message, "status": "X", **more}}]


REFUSALS: dict[str, tuple[int, object, str, str]] = {
    "gemini, a wrong key": (400, gemini(400, "API key not valid. Please pass a valid API key."),
        "auth", "API key not valid"),
    "gemini, too long": (400, gemini(400, "The input token count (1200000) exceeds the maximum "
        "number of tokens allowed (1048576)."), "context_overflow", "1200000"),
    "mistral": (422, {"object": "error", "message": {"detail": [{"loc": ["body", "n"]}]}},
        "invalid_request", '"loc":["body","n"]'),
    "xai, too long": (400, {"code": "x", "error": "This model's maximum prompt length is 131072 "
        "but the request contains 537812 tokens."}, "context_overflow", "131072"),
    "groq, a call that its model wrote wrongly": (400, {"error": {"message": "Failed to call a "
        "function.", "type": "invalid_request_error", "code": "tool_use_failed"}},
        "malformed", "Failed to call"),
    "llama.cpp": (400, {"error": {"code": 400, "message": "the request exceeds the available "
        "context size", "type": "exceed_context_size_error"}}, "context_overflow", "available"),
    "together": (422, {"error": {"message": "`inputs` tokens + `max_new_tokens` must be <= 4097"}},
        "context_overflow", "4097"),
    "vllm": (400, {"object": "error", "message": "The decoder prompt (length 9000) is longer than "
        "the maximum model length of 4096.", "code": 400}, "context_overflow", "9000"),
    "openrouter, moderated": (403, {"error": {"message": "Your chosen model requires moderation "
        "and your input was flagged", "code": 403}}, "refused", "moderation"),
    "openrouter, no credit": (402, {"error": {"message": "Insufficient credits", "code": 402}},
        "invalid_request", "Insufficient credits"),
    "azure": (400, {"error": {"message": "filtered", "code": "content_filter"}},
        "refused", "filtered"),
    "a page": (404, "404 page not found", "invalid_request", "page not found (POST " + URL + ")"),
    "fastapi": (404, {"detail": "Not Found"}, "invalid_request", "Not Found"),
    "nothing": (418, "", "invalid_request", "418"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_what_a_provider_says_is_told_whatever_form_it_has(name: str):
    status, body, kind, said = REFUSALS[name]
    told = failure(refused(status, body))
    assert told.kind == kind
    assert said in told.message
    assert told.retry == (kind == "malformed")


def test_anthropic_s_words_are_told_without_their_wrapping():
    error = {"type": "invalid_request_error", "message": "input length and `max_tokens` exceed "
             "context limit: 188240 + 21333 > 200000"}  # fmt: skip
    told = failure(refused(400, {"type": "error", "error": error}, "anthropic"))
    assert told.kind == "context_overflow"
    assert told.message == f"Error code: 400 - {error['message']}"


def test_gemini_s_delay_is_in_the_body():
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}
    told = failure(refused(429, gemini(429, "quota", details=[{"reason": "x"}, info])))
    assert (told.kind, told.retry, told.retry_after_ms) == ("rate_limited", True, 34_500)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"code": 401, "message": "User not found."}, "auth"),
        ({"code": 402, "message": "Insufficient credits"}, "invalid_request"),
        ({"code": 502, "message": "Provider disconnected"}, "overloaded"),
        ({"code": 429, "message": "slow"}, "rate_limited"),
        ({"code": "x", "status_code": 400, "message": "no"}, "invalid_request"),
        ({"message": "no"}, "overloaded"),
        ("no", "overloaded"),
    ],
)
def test_an_error_within_a_stream_is_told_by_the_status_it_quotes(body: object, kind: str):
    error = openai.APIError("no", request=httpx2.Request("POST", URL), body=body)
    assert failure(error).kind == kind


def test_a_server_that_is_not_there_is_named_with_the_setting_that_says_where():
    choice = ModelChoice(provider="ollama", id="llama", base_url="http://me:pw@box:11434/v1?key=k")
    where = whereabouts(choice, endpoint(choice, Settings()))
    told = failure(ConnectionRefusedError("nobody"), where=where)
    assert told.message.endswith(
        "(ollama at http://box:11434/v1: OLLAMA_BASE_URL or base_url says where)"
    )
    other = ModelChoice(provider="mine", id="m", base_url="http://box/v1")
    assert whereabouts(other, endpoint(other, Settings())) == (
        "mine at http://box/v1: base_url says where"
    )
    assert where not in failure(RuntimeError("something else"), where=where).message


@pytest.mark.parametrize(
    ("headers", "asked_ms"),
    [
        ({"retry-after-ms": "250"}, 250), ({"retry-after": "7"}, 7_000),
        ({"retry-after-ms": "250", "retry-after": "7"}, 250),
        ({"retry-after-ms": "no", "retry-after": "1.5"}, 1_500), ({"retry-after": "-5"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, None), ({"retry-after": "1e400"}, None),
        ({"retry-after": "soon"}, None), ({"retry-after": "nan"}, None), ({}, None),
        ({"retry-after": "9" * 300}, 2**53 - 1),
    ],
)  # fmt: skip
def test_how_long_a_provider_asks_to_wait(headers: dict[str, str], asked_ms: int | None):
    response = httpx2.Response(429, headers=headers, request=httpx2.Request("POST", URL))
    error = openai.RateLimitError("slow", response=response, body=None)
    assert failure(error).retry_after_ms == asked_ms


def test_a_moment_to_come_back_at_is_so_far_away():
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    response = httpx2.Response(
        429, headers={"retry-after": at}, request=httpx2.Request("POST", URL)
    )
    asked_ms = failure(openai.RateLimitError("slow", response=response, body=None)).retry_after_ms
    assert asked_ms is not None
    assert 50_000 < asked_ms <= 60_000


def test_a_delay_of_another_unit_is_not_taken_for_seconds():
    told = failure(refused(429, gemini(429, "quota", details=[{"retryDelay": "3450"}])))
    assert told.retry_after_ms is None


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


REQUEST = httpx2.Request("POST", URL)
CONNECTIONS: dict[str, tuple[Exception, str]] = {
    "silence": (caused(openai.APITimeoutError(REQUEST), httpx2.ReadTimeout("x")), "timeout"),
    "no way there": (
        caused(anthropic.APITimeoutError(REQUEST), httpx2.ConnectTimeout("x")), "connection"
    ),
    "no connection free": (
        caused(openai.APITimeoutError(REQUEST), httpx2.PoolTimeout("x")), "connection"
    ),
    "silence in a stream": (httpx2.ReadTimeout("x"), "timeout"),
    "cut in a stream": (httpx2.ReadError("x"), "connection"),
    "no HTTP": (httpx2.RemoteProtocolError("x"), "connection"),
    "refused": (openai.APIConnectionError(request=REQUEST), "connection"),
}  # fmt: skip


@pytest.mark.parametrize("name", CONNECTIONS)
def test_what_becomes_of_a_connection_is_tried_again(name: str):
    error, kind = CONNECTIONS[name]
    told = failure(error)
    assert (told.kind, told.retry) == (kind, True)


@pytest.mark.parametrize("field", ["type", "code"])
def test_a_quota_that_is_used_up_does_not_come_back_by_waiting(field: str):
    told = failure(refused(429, {"error": {"message": "no", field: "insufficient_quota"}}))
    assert (told.kind, told.retry) == ("rate_limited", False)
    assert failure(refused(429, {"error": {"message": "slow", field: "x"}})).retry


def test_an_error_without_a_word_says_that():
    assert failure(refused(418, "")).message == "Error code: 418 - without a word"
