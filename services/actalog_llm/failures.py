"""What an exception of an SDK means. Both SDKs name theirs alike, so one table serves them."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, cast

from actalog_core.canonical import clean_text
from actalog_llm.ports import Failure
from actalog_llm.whole import Broken, Kind, as_json, items, mapping, text_of

RETRIED: frozenset[Kind] = frozenset(
    {"rate_limited", "overloaded", "timeout", "connection", "truncated", "malformed"}
)
BY_STATUS: Mapping[int, Kind] = {
    401: "auth", 403: "auth", 408: "timeout", 409: "overloaded", 413: "context_overflow",
    425: "overloaded", 429: "rate_limited",
}  # fmt: skip
BY_WORD: tuple[tuple[str, Kind], ...] = (
    # Groq's word for what its model wrote: another attempt may write it better.
    ("tool_use_failed", "malformed"), ("json_validate_failed", "malformed"),
    ("output_parse_failed", "malformed"), ("exceed_context_size", "context_overflow"),
    ("context_length", "context_overflow"), ("request_too_large", "context_overflow"),
    ("authentication", "auth"), ("permission", "auth"), ("rate_limit", "rate_limited"),
    ("invalid_request", "invalid_request"), ("not_found", "invalid_request"),
    ("content_filter", "refused"), ("content_policy", "refused"), ("timeout", "timeout"),
)  # fmt: skip
TOO_LONG = (
    "context length", "context window", "context limit", "context size", "prompt is too long",
    "maximum context", "maximum prompt length", "maximum model length", "too many tokens",
    "maximum number of tokens allowed", "`max_new_tokens` must be",
)  # fmt: skip
BY_PHRASE: tuple[tuple[str, Kind], ...] = (
    ("api key not valid", "auth"), ("incorrect api key", "auth"),
    ("your input was flagged", "refused"),
)  # fmt: skip
LEADS_TO = "x-actalog-leads-to"  # of a redirect that was not followed
MOST = 2_000  # code points of a message


def failure(error: BaseException, *, secret: str = "", where: str = "") -> Failure:
    """Told by the exception's names, so that no SDK has to be imported for it. `secret` is struck
    out of the message: a provider may repeat the key that it refuses. `where` is told of a server
    that is not there."""
    kind, message = _told(error)
    if kind == "connection" and where:
        message = f"{message} ({where})"
    if secret:
        message = message.replace(secret, "***")
    retry = kind in RETRIED and getattr(error, "again", True) and not _no_credit(error)
    return Failure(kind, clean_text(message)[:MOST], _retry_after_ms(error), retry=retry)


def _told(error: BaseException) -> tuple[Kind, str]:
    names = {one.__name__ for one in type(error).__mro__}
    said = str(error) or type(error).__name__
    if isinstance(error, Broken):
        return error.kind, error.message
    if isinstance(error, (json.JSONDecodeError, UnicodeDecodeError)):
        return "malformed", f"the stream has a chunk that is no JSON: {said}"
    if "DecodingError" in names:  # gzip that is none
        return "malformed", said
    if "APIStatusError" in names:
        return _by_status(error)
    if "APITimeoutError" in names or "TimeoutException" in names:
        connecting = type(error.__cause__ or error).__name__ in ("ConnectTimeout", "PoolTimeout")
        return ("connection", "no connection in time") if connecting else ("timeout", said)
    if names & {"APIConnectionError", "TransportError", "OSError"}:
        return "connection", f"{said} {error.__cause__ or ''}".strip()
    if "APIError" in names:  # told in the middle of a stream
        return within(error) or "overloaded", said
    return "unknown", f"{type(error).__name__}: {said}"


def _by_status(error: BaseException) -> tuple[Kind, str]:
    status = getattr(error, "status_code", 0)
    said = f"Error code: {status} - {_words(error) or 'without a word'}"
    if status < 300:  # Anthropic's errors within a stream carry the status of its head
        return within(error) or "overloaded", _words(error) or str(error)
    if status < 400:
        to = getattr(error, "response").headers.get(LEADS_TO)  # noqa: B009
        return "invalid_request", f"the address leads to {to or 'nowhere'} (status {status})"
    if status in (404, 405):  # the model is not there, or the address is not that of an API
        url: Any = getattr(getattr(error, "request", None), "url", None)
        said = f"{said} (POST {url.scheme}://{url.netloc.decode()}{url.path})" if url else said
    return _of_status(status, _by_body(error)), said


def _of_status(status: int, told: Kind | None) -> Kind:
    if status == 403 and told == "refused":
        return told
    if status in BY_STATUS:
        return BY_STATUS[status]
    if status >= 500:
        return "overloaded"
    exact = ("context_overflow", "refused", "auth", "malformed")
    return told if told in exact else "invalid_request"


def within(error: BaseException) -> Kind | None:
    """Of an error under a good status: by its words, else by the status it quotes."""
    told = _by_body(error)
    if told is not None:
        return told
    body = _body(error)
    for status in (body.get("status_code"), body.get("code")):
        if isinstance(status, int) and 400 <= status < 600:
            return _of_status(status, None)
    return None


def _by_body(error: BaseException) -> Kind | None:
    body = _body(error)
    words = f"{body.get('type')} {body.get('code')}".lower()
    said = _words(error).lower()
    if any(one in said for one in TOO_LONG):
        return "context_overflow"
    for phrase, kind in BY_PHRASE:
        if phrase in said:
            return kind
    return next((kind for word, kind in BY_WORD if word in words), None)


def _body(error: BaseException) -> Mapping[str, Any]:
    """What the provider says of the error: under `error`, in a list (Gemini), or at the top."""
    body: object = getattr(error, "body", None)
    told = mapping(next(iter(items(body)), body))
    return mapping(told.get("error")) or told


def _words(error: BaseException) -> str:
    """The message in it, however it is wrapped; the SDKs show only that of OpenAI's form."""
    body = _body(error)
    for said in (body.get("message"), body.get("error"), body.get("detail")):
        if said:
            return text_of(said) or _shown(said)
    raw: object = getattr(error, "body", None)
    return text_of(raw) or (_shown(raw) if raw else "")


def _shown(value: object) -> str:
    try:
        return as_json(value)
    except Broken as broken:  # no error of a provider may keep its failure from being told
        return broken.message


def _no_credit(error: BaseException) -> bool:
    """A quota that is used up is told as a rate limit, but does not come back by waiting."""
    body = _body(error)
    return "insufficient_quota" in (body.get("type"), body.get("code"))


def _retry_after_ms(error: BaseException) -> int | None:
    response: Any = getattr(error, "response", None)
    headers = cast(Mapping[str, str], getattr(response, "headers", {}))
    for name, unit_ms in (("retry-after-ms", 1), ("retry-after", 1_000)):
        if (told := headers.get(name)) is not None and (ms := _milliseconds(told, unit_ms)):
            return ms
    for one in map(mapping, items(_body(error).get("details"))):  # Gemini's RetryInfo: "34.5s"
        delay = text_of(one.get("retryDelay"))
        if delay.endswith("s") and (ms := _milliseconds(delay[:-1], 1_000)):
            return ms
    return None


def _milliseconds(told: str, unit_ms: int) -> int | None:
    try:
        return max(0, min(int(float(told) * unit_ms), 2**53 - 1))
    except (ValueError, OverflowError):
        pass
    try:
        moment = parsedate_to_datetime(told)
    except (TypeError, ValueError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0, int((moment - datetime.now(UTC)).total_seconds() * 1_000))
