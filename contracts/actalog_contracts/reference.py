"""The tables of docs/reference/messages.md, from the same schemas that are published."""

from collections.abc import Mapping
from typing import Any

from actalog_contracts import topics
from actalog_contracts.catalogue import Entry
from actalog_contracts.schemas import schema_of
from actalog_contracts.topics import EVENTS, TOPICS, Topic

BEGIN, END = "<!-- generated: make contracts -->", "<!-- end of what is generated -->"

Schema = Mapping[str, Any]


def reference(entries: Mapping[str, Entry]) -> str:
    """Every topic with its messages, every message with its fields, then the shared parts."""
    parts: dict[str, Schema] = {}
    lines: list[str] = []
    for topic in TOPICS:
        lines += _topic(topic)
        carried = [entry for entry in entries.values() if topic in entry.topics]
        if topic is EVENTS:
            lines += ["The envelope of every event:", "", *_fields(_envelope(carried[0]))]
        for entry in carried:
            schema = schema_of(entry)
            parts |= schema.get("$defs", {})
            lines += _message(entry, schema)
    lines += ["## Parts", "", "What the messages above are made of.", ""]
    for name, schema in sorted(parts.items()):
        if "properties" in schema and "const" not in schema["properties"].get("type", {}):
            lines += [f"### {name}", "", *_description(schema), *_fields(schema)]
    return "\n".join(lines).rstrip() + "\n"


def spliced(page: str, generated: str) -> str:
    """The page with what stands between the two marks renewed.

    Raises:
        ValueError: the marks are not there.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page needs {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{generated}\n{END}{after}"


def _topic(topic: Topic) -> list[str]:
    kept = "for ever" if topic.retention_ms < 0 else _hours(topic.retention_ms)
    dead = f"; dead letters on `{topics.dlq_name(topic)}`" if topic.dead_letters else ""
    return [
        f"## {topics.full_name(topic)}", "",
        f"{topic.description} Key: {topic.key}. Kept {kept}{dead}.",
        f"From {', '.join(topic.producers)} to {', '.join(topic.consumers)}.", "",
    ]  # fmt: skip


def _hours(retention_ms: int) -> str:
    hours = retention_ms // topics.HOUR_MS
    return "an hour" if hours == 1 else f"{hours} hours"


def _message(entry: Entry, schema: Schema) -> list[str]:
    if entry.in_envelope:
        schema = schema["properties"]["payload"]["anyOf"][0]
        said = " ".join((entry.model.__doc__ or "").split())
        told = [said, ""] if said and said != "A fact about a run." else []
    else:
        told = _description(schema)
    shown = f"[schema](../../contracts/actalog_contracts/published/schemas/{entry.type}.json)"
    example = f"[example](../../contracts/actalog_contracts/published/examples/{entry.type}.json)"
    return [f"### {entry.type}", "", *told, f"{shown}, {example}", "", *_fields(schema)]


def _envelope(entry: Entry) -> Schema:
    schema = schema_of(entry)
    properties: dict[str, Any] = {**schema["properties"]}
    properties["type"] = {"type": "string"}
    properties["payload"] = {"type": "object"}
    return {**schema, "properties": properties}


def _description(schema: Schema) -> list[str]:
    said = " ".join(str(schema.get("description", "")).split())
    return [said, ""] if said else []


def _fields(schema: Schema) -> list[str]:
    fields, needed = schema.get("properties", {}), schema.get("required", ())
    if not fields:
        return ["No fields of its own.", ""]
    rows = [
        f"| `{name}` | {_kind(field)} | {'yes' if name in needed else ''} |"
        for name, field in fields.items()
    ]
    return ["| field | type | always |", "| --- | --- | --- |", *rows, ""]


def _kind(field: Schema) -> str:
    if "$ref" in field:
        name = str(field["$ref"]).rpartition("/")[2]
        return name if name != "JsonValue" else "any JSON"
    if "const" in field:
        return f"`{field['const']}`"
    if options := field.get("enum"):
        return ", ".join(f"`{one}`" for one in options)
    if choices := field.get("anyOf") or field.get("oneOf"):
        return " or ".join(dict.fromkeys(_kind(one) for one in choices))
    match field.get("type"):
        case "array":
            return f"list of {_kind(field.get('items', {}))}"
        case "string":
            return "text"
        case "object":
            return "JSON object"
        case str() as kind:
            return kind
        case _:
            return "any JSON"
