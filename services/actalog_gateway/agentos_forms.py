"""What AgentOS's clients send to start a run: forms, urlencoded or multipart, made into a task."""

import base64
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import FormData, UploadFile

from actalog_contracts.border import BadInput, decode
from actalog_contracts.tasks import TaskSubmit

TEXT_MOST = 1_048_576
INLINE_MOST = 262_144  # bytes of a file that travel in the message
Keep = Callable[[bytes, str], Awaitable[str]]
"""Keeps bytes of a media type; gives the id of the blob."""
OBJECTS = ("session_state", "dependencies", "metadata", "output_schema")
MEDIA = (("images", "image"), ("audio", "audio"), ("videos", "video"), ("input_files", "file"))


async def form(request: Request) -> FormData:
    """The request's form; a missing or JSON body is an empty one."""
    return await request.form(max_part_size=TEXT_MOST)


def text(form: FormData, name: str) -> str | None:
    """A field's text; clients send fields they do not mean as empty."""
    value = form.get(name)
    return value if isinstance(value, str) and value else None


def flag(form: FormData, name: str, *, default: bool) -> bool:
    """`true`, `false`, `1`, `0`."""
    value = (text(form, name) or "").strip().lower()
    return default if not value else value in ("true", "1", "yes", "on")


def missing(name: str) -> RequestValidationError:
    """422, as FastAPI says it."""
    return RequestValidationError(
        [{"type": "missing", "loc": ("body", name), "msg": "Field required", "input": None}]
    )


async def task(form: FormData, target: str, *, keep: Keep) -> TaskSubmit:
    """The task that the form asks for, read as strictly as one from the bus. Large files are
    kept as blobs: a message has its limit.

    Raises:
        RequestValidationError: there is no message.
        BadInput: a field is not what it should be.
    """
    message = text(form, "message")
    if message is None:
        raise missing("message")
    content: dict[str, Any] = {"target": target, "input": message}
    if session_id := text(form, "session_id"):  # without one it is named after the run
        content["session_id"] = session_id
    if user_id := text(form, "user_id"):
        content["user_id"] = user_id
    for name in OBJECTS:
        if (value := text(form, name)) is not None:
            content[name] = _json(name, value)
    if media := [*_listed(form), *await _uploaded(form, keep)]:
        content["media"] = media
    decoded = decode(orjson.dumps(content), {}).message
    assert isinstance(decoded, TaskSubmit)
    return decoded


def _json(name: str, value: str) -> Any:
    try:
        found = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise BadInput(f"{name}: not JSON", field=name) from error
    if not isinstance(found, dict):
        raise BadInput(f"{name}: a JSON object is wanted", field=name)
    return found  # pyright: ignore[reportUnknownVariableType]


def _listed(form: FormData) -> list[dict[str, Any]]:
    """Media that Agno's client sends as JSON, with base64 in `content`."""
    found: list[dict[str, Any]] = []
    for name, kind in MEDIA:
        value = text(form, name)
        if value is None:
            continue
        for said in objects(name, value):
            given = {"type": kind, "mime_type": said.get("mime_type"),
                     "filename": said.get("filename"), "url": said.get("url"),
                     "data": said.get("content")}  # fmt: skip
            found.append({key: value for key, value in given.items() if value is not None})
    return found


def objects(name: str, value: str) -> list[dict[str, Any]]:
    """The objects of a JSON array; what is none is left out.

    Raises:
        BadInput: it is not JSON, or no array.
    """
    try:
        found: Any = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise BadInput(f"{name}: not JSON", field=name) from error
    if not isinstance(found, list):
        raise BadInput(f"{name}: a JSON array is wanted", field=name)
    return [one for one in found if isinstance(one, dict)]  # pyright: ignore[reportUnknownVariableType]


async def _uploaded(form: FormData, keep: Keep) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for one in form.getlist("files"):
        if isinstance(one, UploadFile):
            media_type = one.content_type or "application/octet-stream"
            kind = media_type.partition("/")[0]
            data = await one.read()
            small = len(data) <= INLINE_MOST
            found.append({
                "type": kind if kind in ("image", "audio", "video") else "file",
                "mime_type": media_type, "filename": one.filename or "file",
                **({"data": base64.b64encode(data).decode()} if small
                   else {"blob": await keep(data, media_type)}),
            })  # fmt: skip
            await one.close()
    return found
