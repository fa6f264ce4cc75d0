"""What an exception of an SDK means. Both SDKs name theirs alike, so one table serves them."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, cast

from actalog_core.canonical import clean_text
from actalog_llm.ports import Failure
from actalog_llm.whole import Broken, Kind, mapping, text_of

RETRIED: frozenset[Kind] = frozenset(
    {"rate_limited", "overloaded", "timeout", "connection", "truncated", "malformed"}
)
BY_STATUS: Mapping[int, Kind] = {
    401: "auth", 403: "auth", 408: "timeout", 409: "overloaded", 413: "context_overflow",
    425: "overloaded", 429: "rate_limited",
}  # fmt: skip
BY_WORD: tuple[tuple[str, Kind], ...] = (
    ("context_length", "context_overflow"), ("request_too_large", "context_overflow"),
    ("authentication", "auth"), ("permission", "auth"), ("rate_limit", "rate_limited"),
    ("invalid_request", "invalid_request"), ("not_found", "invalid_request"),
    ("content_filter", "refused"), ("content_policy", "refused"), ("timeout", "timeout"),
)  # fmt: skip
TOO_LONG = (
    "context length", "context window", "prompt is too long", "maximum context", "too many tokens",
)  # fmt: skip
MOST = 2_000  # code points of a message


def failure(error: BaseException, *, secret: str = "") -> Failure:
    """Told by the exception's names, so that no SDK has to be imported for it. `secret` is struck
    out of the message: a provider may repeat the key that it refuses."""
    kind, message = _told(error)
    if secret:
        message = message.replace(secret, "***")
    retry = kind in RETRIED and not _no_credit(error)
    return Failure(kind, clean_text(message)[:MOST], _retry_after_ms(error), retry=retry)


def _told(error: BaseException) -> tuple[Kind, str]:
    names = {one.__name__ for one in type(error).__mro__}
    said = str(error) or type(error).__name__
    if isinstance(error, Broken):
        return error.kind, error.message
    if isinstance(error, (json.JSONDecodeError, UnicodeDecodeError)):
        return "malformed", f"the stream has a chunk that is no JSON: {said}"
    if "APIStatusError" in names:
        return _by_status(error)
    if "APITimeoutError" in names or "TimeoutException" in names:
        connecting = type(error.__cause__ or error).__name__ in ("ConnectTimeout", "PoolTimeout")
        return ("connection", "no connection in time") if connecting else ("timeout", said)
    if names & {"APIConnectionError", "TransportError", "OSError"}:
        return "connection", f"{said} {error.__cause__ or ''}".strip()
    if "APIError" in names:  # told in the middle of a stream
        return _by_body(error) or "overloaded", said
    return "unknown", f"{type(error).__name__}: {said}"


def _by_status(error: BaseException) -> tuple[Kind, str]:
    said = str(error)
    status = getattr(error, "status_code", 0)
    if status < 400:  # Anthropic's errors within a stream carry the status of its head
        return _by_body(error) or "overloaded", said
    if status in BY_STATUS:
        return BY_STATUS[status], said
    if status >= 500:
        return "overloaded", said
    told = _by_body(error)
    return told if told in ("context_overflow", "refused") else "invalid_request", said


def _by_body(error: BaseException) -> Kind | None:
    body = mapping(getattr(error, "body", None))
    told = mapping(body.get("error")) or body
    words = f"{told.get('type')} {told.get('code')}".lower()
    said = text_of(told.get("message")).lower()
    if any(one in said for one in TOO_LONG):
        return "context_overflow"
    return next((kind for word, kind in BY_WORD if word in words), None)


def _no_credit(error: BaseException) -> bool:
    """A quota that is used up is told as a rate limit, but does not come back by waiting."""
    body = mapping(getattr(error, "body", None))
    return "insufficient_quota" in (body.get("type"), body.get("code"))


def _retry_after_ms(error: BaseException) -> int | None:
    response: Any = getattr(error, "response", None)
    headers = cast(Mapping[str, str], getattr(response, "headers", {}))
    for name, unit_ms in (("retry-after-ms", 1), ("retry-after", 1_000)):
        if (told := headers.get(name)) is not None and (ms := _milliseconds(told, unit_ms)):
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
