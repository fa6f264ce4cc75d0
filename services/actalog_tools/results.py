"""What a callable returned or raised, as text for a model."""

import json
from collections.abc import AsyncIterable, Iterable, Iterator
from typing import Any, cast

from pydantic import BaseModel
from pydantic_core import to_json, to_jsonable_python

from actalog_core.canonical import clean_text

# A reply has to fit into a record of the bus (1 MB), and control characters take six bytes there.
MOST_BYTES = 700_000
MOST_SAID = 2_000  # code points of an error's text
BINARY = (bytes, bytearray, memoryview)


class NoText(Exception):
    """The tool has run, but what it returned cannot be given to a model:"""

    def __str__(self) -> str:
        return f"{type(self).__doc__} {self.args[0]}"


class FarError(Exception):
    """What a callable raised in another process: its type's name, what is told, and the line."""

    def __init__(self, name: str, said: str, at: str) -> None:
        super().__init__(said)
        self.name, self.at = name, at


def text_of(value: Any) -> str:
    """Text as it is, everything else as JSON.

    Raises:
        NoText: it has no text form.
    """
    if isinstance(value, str):
        return str.__str__(value)
    if issubclass(type(value), BINARY):
        raise NoText(f"{type(value).__name__}; return text, or what can be JSON.")
    try:
        return _json(value)
    except NoText:
        raise
    except Exception as error:
        raise NoText(f"{type(error).__name__}: {error}") from error


def _json(value: Any) -> str:
    try:
        if isinstance(value, BaseModel):
            return value.model_dump_json()
        return to_json(value, fallback=_shown, inf_nan_mode="constants").decode()
    except ValueError as error:
        if "surrogates not allowed" not in str(error):
            raise
    # Lone ones, of what was read elsewhere, become U+FFFD as in any text of a tool (protocol 11.1).
    plain = to_jsonable_python(value, fallback=_shown, inf_nan_mode="constants")
    return clean_text(json.dumps(plain, ensure_ascii=False, separators=(",", ":")))


def _shown(value: Any) -> str:
    """An object that says of itself what it is."""
    if type(value).__str__ is object.__str__ and type(value).__repr__ is object.__repr__:
        raise NoText(f"{type(value).__name__} has no JSON form; return text, or what can be JSON.")
    return str(value)


def joined(parts: Iterable[Any], limit: int) -> str:
    """What a generator yields, as one text; it is not asked for more than the limit takes."""
    return "".join(_upto(parts, limit))


def _upto(parts: Iterable[Any], limit: int) -> Iterator[str]:
    length = 0
    for part in parts:
        text = text_of(part)
        yield text
        length += len(text)
        if length > limit:
            break


async def joined_async(parts: AsyncIterable[Any], limit: int) -> str:
    """The same of an async generator."""
    texts: list[str] = []
    length = 0
    async for part in parts:
        texts.append(text_of(part))
        length += len(texts[-1])
        if length > limit:
            break
    return "".join(texts)


def limited(text: str, limit: int, whole: int | None = None) -> tuple[str, bool]:
    """(text for the model, whether something was cut off). `limit` is in code points, note
    included where it has room; what the bus could not carry is cut, too. `whole` is the length
    of a text that was cut behind the limit before it came here."""
    whole = len(text) if whole is None else whole
    text = clean_text(text[: limit + 1])
    kept = _fitting(text, whole, limit)
    return (text, False) if kept == whole else (text[:kept] + _note(kept, whole), True)


def _fitting(text: str, whole: int, limit: int) -> int:
    kept = whole if whole <= limit else max(0, limit - len(_note(limit, whole)))
    while (size := _size(text[:kept])) > MOST_BYTES:
        kept = kept * MOST_BYTES // (size + 1)
    return kept


def _size(text: str) -> int:
    if len(text) * 6 <= MOST_BYTES:
        return 0
    return len(json.dumps(text, ensure_ascii=False).encode())


def _note(kept: int, whole: int) -> str:
    return f"\n[truncated: the first {kept:,} of {whole:,} characters]"


def told(error: BaseException) -> str:
    """An exception's type and message, never its traceback: a model reads it."""
    if isinstance(error, BaseExceptionGroup):
        group = cast(BaseExceptionGroup[BaseException], error)
        return "; ".join(map(told, group.exceptions))[:MOST_SAID]
    if isinstance(error, (NoText, FarError)):
        return clean_text(str(error))[:MOST_SAID]
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - an author's __str__
        message = ""
    said = type(error).__name__ + (f": {message}" if message else "")
    return clean_text(said)[:MOST_SAID]


def name_of(error: BaseException) -> str:
    """Its type."""
    return error.name if isinstance(error, FarError) else type(error).__name__


def where(error: BaseException) -> str:
    """The line that raised it, for a log line: its locals and its text are not for the log."""
    if isinstance(error, FarError):
        return error.at
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    return f"{at.tb_frame.f_code.co_filename}:{at.tb_lineno}" if at else "unknown"
