"""What comes from outside, read strictly: a clear reason, or a message that is safe to log.

Understands plain JSON, CloudEvents in binary and structured mode, and the Confluent frame.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from actalog_contracts.base import MAX_ID
from actalog_contracts.strict_json import (
    MAX_DEPTH,
    MAX_INTEGER,
    BadInput,
    as_object,
    parse,
    readable,
)
from actalog_contracts.tasks import Inbound, Media, TaskSubmit

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_INTEGER", "BadInput", "Decoded", "decode", "parse"]

MAX_BYTES = 1_048_576
MAX_METADATA = 262_144  # bytes of JSON: it comes back with each result, which is one record
STRUCTURED = "application/cloudevents+json"


@dataclass(frozen=True, slots=True)
class Decoded:
    """A message with what its envelope said. All of it comes from outside."""

    message: Inbound
    ce_id: str | None = None
    ce_source: str | None = None
    traceparent: str | None = None
    correlation_id: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


def decode(
    value: bytes | None, headers: Mapping[str, bytes], *, max_bytes: int = MAX_BYTES
) -> Decoded:
    """Read a record's value.

    Raises:
        BadInput: whatever is wrong with it; nothing else.
    """
    said = {name.lower(): text.decode("utf-8", "replace") for name, text in headers.items()}
    try:
        message = _message(_content(value, said, max_bytes), said)
    except BadInput as error:
        if (id := said.get("ce_id")) and len(id) <= MAX_ID:
            error.readable["message_id"] = id
        if correlation_id := _correlation(said):
            error.readable.setdefault("correlation_id", correlation_id)
        raise
    return Decoded(
        message,
        ce_id=said.get("ce_id"),
        ce_source=said.get("ce_source"),
        traceparent=said.get("traceparent"),
        correlation_id=_correlation(said),
        headers=said,
    )


def _content(value: bytes | None, said: dict[str, str], max_bytes: int) -> dict[str, Any]:
    """The message as JSON; what a structured event says of itself is added to `said`."""
    if not value:
        raise BadInput("the message is empty")
    if len(value) > max_bytes:
        raise BadInput(f"{len(value)} bytes; at most {max_bytes} are taken", code="too_large")
    # A media type has no case, and may have parameters.
    media_type = said.get("content-type", "").partition(";")[0].strip().lower()
    content = _unframed(value) if value[0] == 0 and len(value) > 5 else parse(value)
    if media_type != STRUCTURED:
        return content
    said |= {f"ce_{name}": text for name, text in content.items() if isinstance(text, str)}
    if (told := content.get("data_base64")) is not None:
        return parse(_bytes(told))
    return as_object(content.get("data"), "data")


def _correlation(said: Mapping[str, str]) -> str | None:
    """What the envelope, of either mode, names the message by; what was no UTF-8 is no name."""
    told = said.get("ce_correlationid", "")
    fits = 0 < len(told) <= MAX_ID and told.isprintable() and "\ufffd" not in told
    return told if fits else None


def _unframed(value: bytes) -> dict[str, Any]:
    """Confluent: a zero byte and the id of a schema, then the JSON."""
    try:
        return parse(value[5:])
    except BadInput as error:
        said = f"behind the frame of a schema registry, where only JSON is read: {error.message}"
        raise BadInput(said, code=error.code, field=error.field, readable=error.readable) from error


def _bytes(text: object) -> bytes:
    try:
        return base64.b64decode(str(text), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadInput(f"not base64: {error}", field="data_base64") from error


def _message(content: dict[str, Any], said: Mapping[str, str]) -> Inbound:
    content.setdefault("type", said.get("ce_type") or "task.submit.v1")
    try:
        message = _inbound().validate_python(content)
    except ValidationError as error:
        raise _told(error, content) from error
    if isinstance(message, TaskSubmit):
        for at, media in enumerate(message.media):
            if (wrong := _wrong(media, f"media.{at}")) is not None:
                raise BadInput(wrong[1], field=wrong[0], readable=readable(content))
    if isinstance(message, TaskSubmit) and message.metadata:
        size = len(json.dumps(message.metadata, ensure_ascii=False).encode())
        if size > MAX_METADATA:
            text = f"metadata: {size} bytes; at most {MAX_METADATA} are taken"
            told = readable(content)
            raise BadInput(text, code="too_large", field="metadata", readable=told)
    return message


def _wrong(media: Media, field: str) -> tuple[str, str] | None:
    """(field, why): media without any content, or with two, are none, nor is what does not decode."""
    given = [name for name in ("url", "data", "blob") if getattr(media, name) is not None]
    if len(given) != 1:
        has = " and ".join(given) or "none"
        return field, f"{field}: one of url, data and blob is wanted, and {has} is there"
    if media.url is not None and not media.url.lower().startswith(("http://", "https://")):
        return f"{field}.url", f"{field}.url: an address with http or https is wanted"
    try:
        base64.b64decode("".join((media.data or "").split()), validate=True)
    except ValueError as error:
        return f"{field}.data", f"{field}.data: not base64: {error}"
    return None


@cache
def _inbound() -> TypeAdapter[Inbound]:
    return TypeAdapter(Inbound)


def _told(error: ValidationError, content: Mapping[str, Any]) -> BadInput:
    """The first field that is wrong, with all that is said about it."""
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    name = _name(errors[0], content)
    said = dict.fromkeys(one["msg"] for one in errors if _name(one, content) == name)
    message = "; or: ".join([*said][:3])
    if errors[0]["type"].startswith("union"):
        name = "type"
    return BadInput(
        f"{name}: {message}" if name else message, field=name, readable=readable(content)
    )


def _name(error: ErrorDetails, content: Any) -> str | None:
    """The field's path as its sender wrote it: without the message's type and without the kinds
    of value that pydantic tried ("input.str")."""
    path: list[str] = []
    for part in error["loc"][1:]:
        inside: Any = content  # pyright narrows `content` to a container of unknown things
        if isinstance(content, dict):
            known = part in content or error["type"] == "missing"
            content = inside.get(part)
        elif isinstance(content, list):
            known = isinstance(part, int)
            content = inside[part] if known else inside
        else:
            continue
        if known:
            path.append(str(part))
        else:
            content = inside
    return ".".join(path) or None
