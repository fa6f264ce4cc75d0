"""What comes from outside, read strictly: a clear reason, or a message that is safe to log.

Understands plain JSON, CloudEvents in binary and structured mode, and the Confluent frame.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate
from typing import Any

from pydantic import TypeAdapter, ValidationError

from actalog_contracts.tasks import Inbound, RefusalCode

MAX_BYTES = 1_048_576
MAX_DEPTH = 100  # far below what the parser's recursion bears
MAX_INTEGER = 2**53 - 1  # beyond it, readers of JSON disagree (protocol 11.1)
UNCARRIED = re.compile("[\x00\ud800-\udfff]")
STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)
BRACKET = {ord("{"): 1, ord("["): 1, ord("}"): -1, ord("]"): -1}
NO_BRACKET = bytes(one for one in range(256) if one not in BRACKET)
READABLE = ("type", "run_id", "tenant_id", "session_id", "correlation_id", "requirement_id")


class BadInput(Exception):
    """The message is refused. `readable` has the ids that could be read all the same."""

    def __init__(
        self,
        message: str,
        *,
        code: RefusalCode = "bad_input",
        field: str | None = None,
        readable: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code: RefusalCode = code
        self.message, self.field = message, field
        self.readable = dict(readable or {})


@dataclass(frozen=True, slots=True)
class Decoded:
    """A message with what its envelope said. All of it comes from outside."""

    message: Inbound
    ce_id: str | None = None
    ce_source: str | None = None
    traceparent: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


def decode(
    value: bytes | None, headers: Mapping[str, bytes], *, max_bytes: int = MAX_BYTES
) -> Decoded:
    """Read a record's value.

    Raises:
        BadInput: whatever is wrong with it; nothing else.
    """
    said = {name.lower(): text.decode("utf-8", "replace") for name, text in headers.items()}
    if not value:
        raise BadInput("the message is empty")
    if len(value) > max_bytes:
        raise BadInput(f"{len(value)} bytes; at most {max_bytes} are taken", code="too_large")
    if value[0] == 0 and len(value) > 5:
        value = value[5:]  # Confluent: a zero byte and the id of a schema, then the JSON
    content = parse(value)
    if said.get("content-type", "").startswith("application/cloudevents+json"):
        said |= {f"ce_{name}": text for name, text in content.items() if isinstance(text, str)}
        content = _object(content.get("data"), "data")
    content.setdefault("type", said.get("ce_type", "task.submit.v1"))
    readable = {n: v for n in READABLE if isinstance(v := content.get(n), str)}
    try:
        message = _inbound().validate_python(content)
    except ValidationError as error:
        raise _told(error, readable) from error
    return Decoded(
        message,
        ce_id=said.get("ce_id"),
        ce_source=said.get("ce_source"),
        traceparent=said.get("traceparent"),
        headers=said,
    )


def parse(value: bytes) -> dict[str, Any]:
    """A JSON object from bytes of whatever origin.

    Raises:
        BadInput: broken UTF-8 or JSON, duplicate names, NaN, numbers or texts that cannot be
            carried, nesting beyond MAX_DEPTH, or no object.
    """
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"not UTF-8 at byte {error.start}") from error
    if value.count(b"{") + value.count(b"[") > MAX_DEPTH:
        _check_depth(text)
    try:
        parsed: object = _decoder().decode(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise BadInput(f"not JSON: {error}") from error
    except ValueError as error:  # an integer of more than 4,300 digits
        raise BadInput(f"a number is out of range: {error}") from error
    except _OutOfRange:
        parsed = json.loads(text)
        _check(parsed, "")  # finds it again, and its name
    content = _object(parsed, None)
    if "\\u" in text:  # UTF-8 has no lone surrogates and JSON no raw NUL: only escapes do
        _check(content, "")
    return content


class _OutOfRange(Exception):
    """A number that cannot be carried."""


def _integer(text: str) -> int:
    number = int(text)
    if abs(number) > MAX_INTEGER:
        raise _OutOfRange
    return number


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise _OutOfRange
    return number


@cache
def _decoder() -> json.JSONDecoder:
    return json.JSONDecoder(
        object_pairs_hook=_pairs, parse_constant=_no_constant, parse_int=_integer,
        parse_float=_float,
    )  # fmt: skip


@cache
def _inbound() -> TypeAdapter[Inbound]:
    return TypeAdapter(Inbound)


def _object(value: object, field: str | None) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadInput(f"a JSON object is wanted, not {type(value).__name__}", field=field)
    return value  # pyright: ignore[reportUnknownVariableType]


def _pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadInput(f"the name {twice[:100]!r} stands twice in one object", field=twice[:100])
    return found


def _no_constant(name: str) -> object:
    raise BadInput(f"{name} is not JSON")


def _check_depth(text: str) -> None:
    """Before parsing: the parser recurses. Brackets inside strings do not count."""
    brackets = STRING.sub("", text).encode().translate(None, NO_BRACKET)
    if max(accumulate(map(BRACKET.__getitem__, brackets)), default=0) > MAX_DEPTH:
        raise BadInput(f"nested deeper than {MAX_DEPTH} levels")


def _check(value: object, path: str) -> None:
    """Texts and numbers that PostgreSQL or another reader of JSON could not carry."""
    match value:
        case str():
            if UNCARRIED.search(value):
                raise BadInput("NUL and lone surrogates cannot be carried", field=path or None)
        case float() if not math.isfinite(value):
            raise BadInput("a number is out of range", field=path or None)
        case int() if abs(value) > MAX_INTEGER:
            raise BadInput("an integer is beyond 2^53 - 1; write it as text", field=path or None)
        case dict():
            for name, item in value.items():  # pyright: ignore[reportUnknownVariableType]
                _check(name, path)  # pyright: ignore[reportUnknownArgumentType]
                _check(item, f"{path}.{name}".lstrip("."))  # pyright: ignore[reportUnknownArgumentType]
        case list():
            for at, item in enumerate(value):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
                _check(item, f"{path}[{at}]")  # pyright: ignore[reportUnknownArgumentType]
        case _:
            return


def _told(error: ValidationError, readable: Mapping[str, str]) -> BadInput:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    # The union puts the message's type in front of the field's name.
    path = [str(part) for part in first["loc"] if part != readable.get("type")]
    name = ".".join(path) or ("type" if first["type"].startswith("union") else None)
    said = f"{name}: {first['msg']}" if name else first["msg"]
    return BadInput(said, field=name, readable=readable)
