"""Which of the offered tools a message calls for, and with which arguments: by simple rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from actalog_testing.scripted import words
from actalog_testing.scripted.fill import value_for
from actalog_testing.scripted.request import OfferedTool
from actalog_testing.scripted.script import ToolUse

ENOUGH = 2  # a word of the tool's name, two of its description, or one and an id or a name
MOST_CALLS = 5
IDS = ("id", "number", "code", "order", "invoice", "ticket", "sku")
PLACES = ("city", "place", "location", "country", "destination")


@dataclass(frozen=True, slots=True)
class Fit:
    """How well a tool fits. `named` are the words of its name that the message has."""

    tool: OfferedTool
    score: int
    named: frozenset[str]
    arguments: tuple[dict[str, Any], ...]


def lookups(tools: Sequence[OfferedTool], text: str, earlier: Sequence[str]) -> list[ToolUse]:
    """The calls that a message asks for; [] when no tool fits or what it needs is not said.

    `earlier` are the person's messages before, the last one first: "and when will it arrive?"
    is about an order that was named there.
    """
    fits = [fit for tool in tools if (fit := _fit(tool, text, earlier)) is not None]
    calls: list[ToolUse] = []
    used: set[str] = set()
    for fit in sorted(fits, key=lambda fit: -fit.score):
        if calls and (not fit.named or fit.named & used):
            continue  # a second tool has to be asked for by words of its own
        used |= fit.named
        calls += [ToolUse(fit.tool.name, arguments) for arguments in fit.arguments]
    return calls[:MOST_CALLS]


def _fit(tool: OfferedTool, text: str, earlier: Sequence[str]) -> Fit | None:
    said = words.stems(text)
    properties: Mapping[str, Any] = tool.schema.get("properties") or {}
    required: Sequence[str] = tool.schema.get("required") or ()
    named = frozenset(words.stems(tool.name) & said)
    hits = words.stems(f"{tool.description} {' '.join(properties)}") & said
    score = 3 * len(named) + len(hits) + _hint(properties, text, earlier)
    if score < ENOUGH:
        return None
    arguments = _arguments(tool, properties, required, text, earlier)
    return Fit(tool, score, named, tuple(arguments)) if arguments is not None else None


def _hint(properties: Mapping[str, Any], text: str, earlier: Sequence[str]) -> int:
    """What speaks for a tool beside words: an option or an id that it takes (2; 1 when the id was
    named before), or the name of a thing (1)."""
    if any("enum" in schema and _values(name, schema, text) for name, schema in properties.items()):
        return 2
    if any(_is_id(name) for name in properties):
        if words.IDENTIFIER.search(text):
            return 2
        before = any(words.IDENTIFIER.search(old) for old in earlier)
        return int(before and words.BACKWARDS.search(text) is not None)
    return int(bool(properties) and words.NAME.search(text) is not None)


def _arguments(
    tool: OfferedTool,
    properties: Mapping[str, Any],
    required: Sequence[str],
    text: str,
    earlier: Sequence[str],
) -> list[dict[str, Any]] | None:
    """One set of arguments for each id that is named; None when a required one is not said."""
    told: dict[str, list[Any]] = {}
    for name, schema in properties.items():
        found = _values(name, schema, text, needed=name in required)
        if not found and name in required and words.BACKWARDS.search(text):
            before = (_values(name, schema, old) for old in earlier)
            found = next((one for one in before if one), found)
        if not found and name in required:
            return None
        if found:
            told[name] = found
    many = max((len(found) for found in told.values()), default=1)
    return [{name: found[min(at, len(found) - 1)] for name, found in told.items()}
            for at in range(many)]  # fmt: skip


def _values(name: str, schema: Mapping[str, Any], text: str, *, needed: bool = False) -> list[Any]:
    """What the text says for a parameter: several ids, otherwise at most one value."""
    kind = schema.get("type", "string")
    if options := schema.get("enum"):
        return [one for one in options if words.stems(str(one)) <= words.stems(text)][:1]
    if _is_id(name):
        found = list(dict.fromkeys(words.IDENTIFIER.findall(text)))
        return [int(one) for one in found if one.isdigit()] if kind == "integer" else found
    if "email" in name:
        return words.EMAIL.findall(text)[:1]
    if "date" in name:
        return words.DATE.findall(text)[:1]
    if kind in ("integer", "number"):
        found = words.NUMBER.findall(text)[:1]
        return [int(float(one)) if kind == "integer" else float(one) for one in found]
    if kind == "string" and any(place in name for place in PLACES):
        return words.PLACE.findall(text)[:1]
    if not needed:
        return []
    if kind == "string":
        quoted = words.QUOTED.findall(text)[:1]
        return quoted or [told for told in [words.content(text)] if told]
    return [value_for(schema, text, name=name)]


def _is_id(name: str) -> bool:
    return any(part in IDS for part in name.lower().split("_"))
