"""JSON of whatever origin, read strictly: what two readers could take differently is refused."""

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from functools import cache
from itertools import accumulate
from typing import Any

from actalog_contracts.base import MAX_ID
from actalog_contracts.tasks import RefusalCode

MAX_DEPTH = 100  # far below what the parser's recursion bears
MOST_SAID = 400  # characters of a refusal, whatever it repeats of what was sent
READABLE = (
    "type", "run_id", "tenant_id", "session_id", "correlation_id", "requirement_id", "reply_to",
)  # fmt: skip
MAX_INTEGER = 2**53 - 1  # beyond it, readers of JSON disagree (protocol 11.1)
UNCARRIED = re.compile("[\x00\ud800-\udfff]")
STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)
NAMES = {"NoneType": "null", "bool": "a truth value", "int": "a number", "float": "a number",
         "str": "text", "list": "a list"}  # fmt: skip
Path = tuple[str | int, ...]
BRACKET = {ord("{"): 1, ord("["): 1, ord("}"): -1, ord("]"): -1}
NO_BRACKET = bytes(one for one in range(256) if one not in BRACKET)


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
        super().__init__(short(message, MOST_SAID))
        self.code: RefusalCode = code
        self.message, self.field = short(message, MOST_SAID), field and short(field, MAX_ID)
        self.readable = dict(readable or {})


def short(text: str, most: int) -> str:
    """At most so many characters, of which the last says that there were more."""
    return text if len(text) <= most else text[: most - 1] + "…"


def parse(value: bytes) -> dict[str, Any]:
    """A JSON object from bytes of whatever origin.

    Raises:
        BadInput: as of `parse_any`, or it is no object.
    """
    return as_object(parse_any(value), None)


def parse_any(value: bytes) -> Any:
    """JSON from bytes of whatever origin.

    Raises:
        BadInput: broken UTF-8 or JSON, duplicate names, NaN, numbers or texts that cannot be
            carried, or nesting beyond MAX_DEPTH.
    """
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"not UTF-8 at byte {error.start}") from error
    if value.count(b"{") + value.count(b"[") > MAX_DEPTH:
        check_depth(text)
    try:
        parsed = _decoded(text, _quick_decoder())
    except _OutOfRange:
        parsed = _decoded(text, _decoder())
        _check_whole(parsed)  # finds the number again, and its name
    if "\\u" in text:  # UTF-8 has no lone surrogates and JSON no raw NUL: only escapes do
        _check_whole(parsed)
    return parsed


def readable(content: Mapping[str, Any]) -> dict[str, str]:
    """What names a message, of an object whose other fields may be anything. What is longer than
    an id is none of ours, and whoever sent it is not told a megabyte again."""
    found = {name: content.get(name) for name in READABLE}
    return {
        name: told for name, told in found.items()
        if isinstance(told, str) and len(told) <= MAX_ID and not UNCARRIED.search(told)
    }  # fmt: skip


def _check_whole(parsed: object) -> None:
    try:
        _check(parsed, ())
    except BadInput as error:
        if isinstance(parsed, dict):
            error.readable = readable(parsed)  # pyright: ignore[reportUnknownArgumentType]
        raise


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


def _decoded(text: str, decoder: json.JSONDecoder) -> object:
    if text.startswith("\ufeff"):
        raise BadInput("not JSON: it begins with a byte order mark; send it without one")
    try:
        return decoder.decode(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise BadInput(f"not JSON: {error}") from error
    except ValueError as error:  # an integer of more than 4,300 digits
        raise BadInput(f"a number is out of range: {error}") from error


@cache
def _decoder() -> json.JSONDecoder:
    return json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_no_constant)


@cache
def _quick_decoder() -> json.JSONDecoder:
    """Stops at a number that cannot be carried, so that the others need not be looked at again."""
    return json.JSONDecoder(
        object_pairs_hook=_pairs, parse_constant=_no_constant, parse_int=_integer,
        parse_float=_float,
    )  # fmt: skip


def as_object(value: object, field: str | None) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadInput(f"a JSON object is wanted, not {NAMES[type(value).__name__]}", field=field)
    return value  # pyright: ignore[reportUnknownVariableType]


def _pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        # Counted at once: among 100,000 names, looking each up in all others takes minutes.
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        raise BadInput(f"the name {twice[:100]!r} stands twice in one object", field=twice[:100])
    return found


def _no_constant(name: str) -> object:
    raise BadInput(f"{name} is not JSON")


def check_depth(text: str) -> None:
    """Before parsing: the parser recurses. Brackets inside strings do not count.

    Raises:
        BadInput: nesting beyond MAX_DEPTH.
    """
    brackets = STRING.sub("", text).encode().translate(None, NO_BRACKET)
    if max(accumulate(map(BRACKET.__getitem__, brackets)), default=0) > MAX_DEPTH:
        raise BadInput(f"nested deeper than {MAX_DEPTH} levels")


def _check(value: object, path: Path) -> None:
    """Texts and numbers that PostgreSQL or another reader of JSON could not carry."""
    match value:
        case str():
            if UNCARRIED.search(value):
                raise BadInput("NUL and lone surrogates cannot be carried", field=_told(path))
        case float() if not math.isfinite(value):
            raise BadInput("a number is out of range", field=_told(path))
        case int() if abs(value) > MAX_INTEGER:
            raise BadInput("an integer is beyond 2^53 - 1; write it as text", field=_told(path))
        case dict():
            for name, item in value.items():  # pyright: ignore[reportUnknownVariableType]
                _check(name, path)  # pyright: ignore[reportUnknownArgumentType]
                _check(item, (*path, name))  # pyright: ignore[reportUnknownArgumentType]
        case list():
            for at, item in enumerate(value):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
                _check(item, (*path, at))  # pyright: ignore[reportUnknownArgumentType]
        case _:
            return


def _told(path: Path) -> str | None:
    """`a.b[3]`. Written only for what is refused: names may be long, and values many."""
    told = ""
    for part in path:
        told = f"{told}[{part}]" if isinstance(part, int) else f"{told}.{part}".lstrip(".")
    return told or None
