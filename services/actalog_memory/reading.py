"""What a model's reply says: tolerant of fences and of words around the JSON, strict about form."""

import json
import re
from collections.abc import Callable
from itertools import islice
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ValidationError

from actalog_core.canonical import clean_text

MOST_TOPICS = 10
TOPIC_LENGTH = 100
MOST_STARTS = 50  # brackets at which the JSON may begin
_BRACKET = re.compile(r"[{\[]")

T = TypeVar("T")


class Malformed(Exception):
    """The reply is not of the form asked for; its text is not quoted."""


def _text(value: Any) -> Any:
    """None counts as nothing, a number as its text: models write both."""
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else value


def _texts(value: Any) -> Any:
    return [] if value is None else [value] if isinstance(value, str) else value


Text = Annotated[str, BeforeValidator(_text)]
Topics = Annotated[list[Text], BeforeValidator(_texts)]


class Operation(BaseModel):
    """One change of the list; `id` is the entry's number in the list."""

    op: str
    id: Text = ""
    text: Text = ""
    topics: Topics = []


class _Operations(BaseModel):
    operations: list[Operation]


class Summary(BaseModel):
    summary: str
    topics: Topics = []


def operations(reply: str) -> list[Operation]:
    """The changes that the model wants.

    Raises:
        Malformed: there is no such JSON in the reply.
    """
    return _first(
        reply,
        lambda told: _of(_Operations, {"operations": told} if isinstance(told, list) else told),
    ).operations


def summary(reply: str) -> Summary:
    """The summary that the model gives.

    Raises:
        Malformed: there is no such JSON in the reply.
    """
    return _first(reply, lambda told: _of(Summary, told))


def topics(told: list[str]) -> tuple[str, ...]:
    """As the log keeps them: few, short, each once."""
    clean = [clean_text(one).strip()[:TOPIC_LENGTH] for one in told[:MOST_TOPICS]]
    return tuple(dict.fromkeys(one for one in clean if one))


def _first(reply: str, read: Callable[[Any], T]) -> T:
    """The first JSON of the form in the reply. Words before it may have brackets, too."""
    problem: Malformed | None = None
    at = 0
    for start in islice(_BRACKET.finditer(reply), MOST_STARTS):
        if start.start() < at:
            continue  # within what was read already, and is of another form
        try:
            told, at = json.JSONDecoder().raw_decode(reply, start.start())
            return read(told)
        except Malformed as error:
            problem = problem or error
        except (ValueError, RecursionError) as error:
            said = error.msg if isinstance(error, json.JSONDecodeError) else "it cannot be read"
            problem = problem or Malformed(f"the JSON is broken: {said}")
    raise problem or Malformed("there is no JSON in it")


def _of(form: type[Any], told: Any) -> Any:
    try:
        return form.model_validate(told)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])[:100]
        raise Malformed(f"{place or 'the JSON'}: {first['msg'][:200]}") from None
