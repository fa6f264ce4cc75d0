"""What the server answers without a script: a small, deterministic demo model.

It calls a tool that fits the question, says what the tool returned, answers in JSON where JSON
is asked for, and always says that it is scripted.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from actalog_testing.scripted import words
from actalog_testing.scripted.fill import schema_like, value_for
from actalog_testing.scripted.lookups import lookups
from actalog_testing.scripted.request import Request
from actalog_testing.scripted.script import Reply

NOTE = "(scripted model)"
MODEL = "scripted"
LOOKS_BACK = ("remember", "my name", "who am i", "know about me", "earlier", "before", "last time")
ASKS_FOR_JSON = re.compile(
    r"\b(?:answer|reply|respond|return|output|write)\b[^.\n]{0,80}\bJSON\b", re.IGNORECASE
)
THANKS = ("thank", "cheers", "great", "perfect")


def demo_reply(request: Request) -> Reply:
    """Tools first, then what they returned; JSON where it is asked for; else a sentence."""
    asked, earlier, results = _conversation(request)
    if not results and request.tools:
        calls = lookups(request.tools, asked, earlier)
        if calls:
            return Reply(tool_calls=calls, model=MODEL)
    schema = _wanted_schema(request)
    if schema is not None:
        # Without tools it is a task about a conversation: all of it counts, not the last line.
        said = [asked] if request.tools else [asked, *earlier][::-1]
        about = "\n".join([*map(words.spoken, said), *results])
        value = (
            value_for(schema, about) if schema else {"answer": f"{words.short(about, 300)} {NOTE}"}
        )
        return Reply(json.dumps(value, ensure_ascii=False), model=MODEL)
    return Reply(f"{_sentence(request, asked, earlier, results)} {NOTE}", model=MODEL)


def _conversation(request: Request) -> tuple[str, list[str], list[str]]:
    """The last question, the person's messages before it (latest first), the tools' results
    since it."""
    results: list[str] = []
    questions: list[str] = []
    for said in reversed(request.messages):
        if said.role == "tool" and not questions:
            results.append(said.text)
        elif said.role == "user":
            questions.append(said.text)
    asked, *earlier = questions or [""]
    return asked, earlier, results[::-1]


def _wanted_schema(request: Request) -> Mapping[str, Any] | None:
    """The schema of the answer: of the request, or one that the system text asks for."""
    if request.output_schema:
        return request.output_schema
    asks = ASKS_FOR_JSON.search(request.system)
    if request.output_schema is None and asks is None:
        return None
    # What stands before is no schema of the answer; a session's state is shown as JSON, too.
    told = request.system[asks.start() :] if asks else request.system
    return _schema_in(told) or ({} if not request.tools else None)


def _schema_in(text: str) -> Mapping[str, Any] | None:
    """A schema that stands in a text, or that of an example that stands in it."""
    example: dict[str, Any] | None = None
    start = text.find("{")
    while start >= 0:
        try:
            found, end = json.JSONDecoder().raw_decode(text, start)
        except (json.JSONDecodeError, RecursionError):
            found, end = None, start + 1
        if isinstance(found, dict):
            if "properties" in found or "$ref" in found:
                return found  # pyright: ignore[reportUnknownVariableType]
            example = example or found  # pyright: ignore[reportUnknownVariableType]
        start = text.find("{", end)
    return None if example is None else schema_like(example)


def _sentence(request: Request, asked: str, earlier: Sequence[str], results: Sequence[str]) -> str:
    if results:
        return " ".join(_told(result) for result in results)
    low = asked.lower()
    if facts := words.facts(asked):
        return f"Noted: {words.short(facts[0], 200)}"
    if any(one in low for one in LOOKS_BACK):
        return _look_back(request.system, earlier)
    if any(one in low for one in THANKS):
        return "You are welcome."
    return f'You wrote: "{words.short(asked, 200)}" I can look things up, but have nothing on that.'


def _told(result: str) -> str:
    """A tool's result as a sentence; a JSON object becomes a list of its fields."""
    try:
        parsed: object = json.loads(result)
    except (json.JSONDecodeError, RecursionError):
        parsed = None
    if isinstance(parsed, dict):
        fields = [f"{name.replace('_', ' ')}: {value}" for name, value in parsed.items()]  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        result = "; ".join(fields)
    line = words.short(result, 600)
    return line if line.endswith((".", "!", "?", "…")) else f"{line}."


def _look_back(system: str, earlier: Sequence[str]) -> str:
    """Quotes what the prompt has from before: memories and the last question."""
    items = _memories(system)
    told = [f"I remember: {words.short('; '.join(items[:5]), 300).rstrip('.')}."] if items else []
    told += [f'Before, you wrote: "{words.short(earlier[0], 150)}"'] if earlier else []
    return " ".join(told) or "There is nothing from before that I could see."


def _memories(system: str) -> list[str]:
    """The items of a list below a line that says it is known; instructions are a list, too."""
    items: list[str] = []
    known = False
    for line in system.splitlines():
        if not line.startswith(("- ", "* ")):
            known = line.rstrip().endswith(":") and "know" in line.lower()
        elif known:
            items.append(line.strip("-* ").rstrip("."))
    return items
