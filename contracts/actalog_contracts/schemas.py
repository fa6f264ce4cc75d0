"""JSON Schemas from the classes: strict for what comes from outside, open for what is read."""

from typing import Any

from pydantic import BaseModel

from actalog_contracts.base import FromOutside
from actalog_contracts.catalogue import Entry
from actalog_contracts.tasks import PublishedEvent

ELSEWHERE = {
    "description": "Beside a `payload_ref`: the payload is above the message limit.",
    "type": "object",
    "maxProperties": 0,
}
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_of(entry: Entry) -> dict[str, Any]:
    """The schema of a message as it stands on a topic.

    An event's is that of its envelope, with the event's own fields as the payload.
    """
    body = _body(entry.model)
    if entry.in_envelope:
        body = _enveloped(entry, body)
    elif entry.direction == "outbound":
        body["required"] = ["type", *body.get("required", [])]  # what we write always has it
    about = {"$schema": DIALECT, "$id": f"/schemas/{entry.type}.json", "title": entry.type}
    return {**about, **{name: value for name, value in body.items() if name != "title"}}


def _body(model: type[BaseModel]) -> dict[str, Any]:
    body = model.model_json_schema(mode="validation")
    if not issubclass(model, FromOutside):
        _open(body)
    return _untitled(body)


def _enveloped(entry: Entry, payload: dict[str, Any]) -> dict[str, Any]:
    body = _body(PublishedEvent)
    shared = {**payload.pop("$defs", {}), **body.pop("$defs", {})}
    del payload["properties"]["type"]  # the envelope has it
    body["description"] = f"{body.get('description', '')} {payload.pop('description', '')}".strip()
    body["properties"] |= {
        "type": {"const": entry.type, "type": "string"},
        "payload": {"anyOf": [payload, ELSEWHERE]},
    }
    return {**body, "$defs": shared} if shared else body


def _open(schema: dict[str, Any]) -> None:
    """Say that unknown fields are to be ignored, in every object of the schema."""
    parts = [schema, *schema.get("$defs", {}).values()]
    for one in (part for part in parts if part.get("type") == "object"):
        one.setdefault("additionalProperties", True)


NEEDLESS = ("title", "discriminator")


def _untitled(value: Any, *, named: bool = False) -> Any:
    """Without pydantic's titles, which repeat the names, and without what is OpenAPI's alone: strict
    validators refuse it. `named`: keys are names of fields."""
    match value:
        case dict():
            return {
                name: _untitled(item, named=name in ("properties", "$defs") and not named)
                for name, item in value.items()  # pyright: ignore[reportUnknownVariableType]
                if named or name not in NEEDLESS
            }
        case list():
            return [_untitled(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
        case _:
            return value
