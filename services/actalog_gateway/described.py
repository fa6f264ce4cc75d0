"""What `/openapi.json` says of bodies and errors that routes read and answer by themselves."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from actalog_contracts.tasks import RequirementResolve, RunCancel, TaskSubmit

FROM_THE_PATH = ("type", "run_id", "requirement_id", "tenant_id")
_TEXT: dict[str, Any] = {"type": "string"}
_PROBLEM: dict[str, Any] = {
    "type": "object",
    "required": ["detail", "error"],
    "properties": {
        "detail": {"description": "For AgentOS's clients: the message, or FastAPI's list."},
        "error": {
            "type": "object",
            "required": ["code", "message", "field", "retryable"],
            "properties": {
                "code": _TEXT, "message": _TEXT, "field": {"type": ["string", "null"]},
                "retryable": {"type": "boolean"},
            },
        },
    },
}  # fmt: skip
ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "Refused: what is wrong, and in which field.",
            "content": {"application/json": {"schema": _PROBLEM}}},
    "429": {"description": "Too much of this tenant waits; `Retry-After` says how long.",
            "content": {"application/json": {"schema": _PROBLEM}}},
    "500": {"description": "A fault of ours.",
            "content": {"application/json": {"schema": _PROBLEM}}},
    "503": {"description": "Too much waits, or the database is away; `Retry-After` says how long.",
            "content": {"application/json": {"schema": _PROBLEM}}},
}  # fmt: skip


def _json(schema: dict[str, Any], *, required: bool) -> dict[str, Any]:
    content = {"application/json": {"schema": schema}}
    return {"requestBody": {"required": required, "content": content}}


def _control(kind: "type[RunCancel | RequirementResolve]") -> dict[str, Any]:
    """A control's schema without what its path says."""
    return _whole(kind, without=FROM_THE_PATH)


def _whole(kind: type[BaseModel], *, without: Sequence[str] = ()) -> dict[str, Any]:
    """A message's schema in one piece: generators of clients follow no reference out of the
    document, and its own definitions are at another place than pydantic means."""
    schema = kind.model_json_schema()
    parts = schema.get("$defs", {})
    fields = {
        name: _without_refs(told, parts)
        for name, told in schema["properties"].items() if name not in without
    }  # fmt: skip
    wanted = [name for name in schema.get("required", ()) if name in fields]
    made = {"type": "object", "properties": fields, "additionalProperties": False}
    return {**made, "required": wanted} if wanted else made


def _without_refs(told: Any, parts: dict[str, Any]) -> Any:
    """With what they refer to in their places; no message is a part of itself."""
    match told:
        case {"$ref": str(name)}:
            return _without_refs(parts[name.removeprefix("#/$defs/")], parts)
        case dict():
            return {name: _without_refs(one, parts) for name, one in _items(told)}
        case list():
            return [_without_refs(one, parts) for one in _values(told)]
        case _:
            return told


def _items(told: Any) -> list[tuple[str, Any]]:
    return list(told.items())


def _values(told: Any) -> list[Any]:
    return list(told)


TASK = _json(_whole(TaskSubmit), required=True)
CANCEL = _json(_control(RunCancel), required=False)
ANSWER = _json(_control(RequirementResolve), required=True)
BYTES = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {
            "schema": {"type": "string", "format": "binary", "minLength": 1}}},
    }
}  # fmt: skip


_STREAM: dict[str, Any] = {"text/event-stream": {"schema": _TEXT}}
STREAM: dict[int | str, dict[str, Any]] = {200: {"content": _STREAM}}
_ACCEPTED: dict[str, Any] = {
    "type": "object", "required": ["run_id", "session_id", "status"],
    "properties": {"run_id": _TEXT, "session_id": _TEXT, "status": {"const": "PENDING"}},
}  # fmt: skip
RUN = STREAM | {202: {"description": "Accepted, with `background=true` and `stream=false`.",
                      "content": {"application/json": {"schema": _ACCEPTED}}}}  # fmt: skip
_READY: dict[str, Any] = {
    "type": "object", "required": ["status", "service", "missing", "kafka"],
    "properties": {
        "status": {"enum": ["ready", "not ready"]}, "service": _TEXT,
        "missing": {"type": "array", "items": _TEXT}, "kafka": _TEXT,
    },
}  # fmt: skip
READY: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {"schema": _READY}}},
    503: {"description": "Not ready: `missing` says why.",
          "content": {"application/json": {"schema": _READY}}},
}  # fmt: skip
LATER: dict[int | str, dict[str, Any]] = {
    501: {"description": "Not in this version.",
          "content": {"application/json": {"schema": _PROBLEM}}}
}  # fmt: skip
KEY = {"minLength": 1, "maxLength": 512}  # of the header Idempotency-Key
EVENTS = STREAM | {204: {"description": "There is nothing more."}}
RAW: dict[int | str, dict[str, Any]] = {
    200: {"content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}
}
METRICS: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {"schema": _TEXT}}}}


def _form(*required: str, **fields: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "properties": fields, "required": list(required)}
    kinds = ("multipart/form-data", "application/x-www-form-urlencoded")
    content = {kind: {"schema": schema} for kind in kinds}
    return {"requestBody": {"required": True, "content": content}}


_FLAG: dict[str, Any] = {"type": "boolean"}
_FLAG_ON: dict[str, Any] = {**_FLAG, "default": True}
_FILES: dict[str, Any] = {"type": "array", "items": {"type": "string", "format": "binary"}}
RUN_FORM = _form(
    "message", message=_TEXT, stream=_FLAG_ON, stream_events=_FLAG_ON, background=_FLAG,
    session_id=_TEXT, user_id=_TEXT, session_state=_TEXT, dependencies=_TEXT, metadata=_TEXT,
    output_schema=_TEXT, files=_FILES, images=_TEXT, audio=_TEXT, videos=_TEXT, input_files=_TEXT,
)  # fmt: skip
CONTINUE_FORM = _form(
    "session_id", session_id=_TEXT, tools=_TEXT, stream=_FLAG_ON, stream_events=_FLAG_ON,
    background=_FLAG, user_id=_TEXT,
)  # fmt: skip
