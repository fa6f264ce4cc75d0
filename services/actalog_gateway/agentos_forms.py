"""What AgentOS's clients send to start a run: a form, made into a task."""

import base64
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import FormData, UploadFile

from actalog_contracts.border import BadInput, decode
from actalog_contracts.strict_json import as_object, parse_any
from actalog_contracts.tasks import TaskSubmit
from actalog_core.json_schemas import fault
from actalog_gateway.problems import Problem
from actalog_gateway.routes_blobs import media_type_of

INLINE_MOST = 262_144  # bytes of files that travel in the message
YES, NO = ("true", "1", "yes", "on", "t", "y"), ("false", "0", "no", "off", "f", "n")
Keep = Callable[[bytes, str], Awaitable[str]]
"""Keeps bytes of a media type; gives the id of the blob."""
OBJECTS = ("session_state", "dependencies", "metadata", "output_schema")
MEDIA_FIELD = re.compile(r"media[.\[](\d+)\]?(.*)")
INVALID = ("output_schema", "files", "images", "audio", "videos", "input_files")
MEDIA = (("images", "image"), ("audio", "audio"), ("videos", "video"), ("input_files", "file"))


def text(form: FormData, name: str) -> str | None:
    """A field's text; clients send fields they do not mean as empty."""
    value = form.get(name)
    return value if isinstance(value, str) and value else None


def flag(form: FormData, name: str, *, default: bool) -> bool:
    """`true`, `false`, `1`, `0`, as pydantic takes them.

    Raises:
        RequestValidationError: it is neither.
    """
    value = (text(form, name) or "").strip().lower()
    if value in YES or value in NO:
        return value in YES
    if not value:
        return default
    said = "Input should be a valid boolean, unable to interpret input"
    raise RequestValidationError(
        [{"type": "bool_parsing", "loc": ("body", name), "msg": said, "input": None}]
    )


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
        BadInput, Problem: a field is not what it should be.
    """
    message = text(form, "message")
    if message is None:
        raise missing("message")
    content: dict[str, Any] = {"target": target, "input": message}
    if session_id := text(form, "session_id"):  # without one it is named after the run
        content["session_id"] = session_id
    if user_id := text(form, "user_id"):
        content["user_id"] = user_id
    listed: list[tuple[str, dict[str, Any]]] = []
    try:
        for name in OBJECTS:
            if (value := text(form, name)) is not None:
                content[name] = _object(name, value)
        if wrong := fault(content.get("output_schema", {})):
            said = f"output_schema is no JSON Schema: {wrong}"
            raise BadInput(said, field="output_schema")
        listed = _listed(form)
        media = [one for _, one in listed] + await _uploaded(form, keep)
        if media:
            content["media"] = media
        decoded = decode(orjson.dumps(content), {}).message
    except BadInput as error:
        raise _refused(_as_sent(error, [name for name, _ in listed])) from error
    assert isinstance(decoded, TaskSubmit)
    return decoded


def _refused(error: BadInput) -> Exception:
    """AgentOS refuses media and schemas with 422, all else with 400."""
    root = re.split(r"[.\[]", error.field or "", maxsplit=1)[0]
    if root in INVALID and error.code == "bad_input":
        return Problem(error.code, error.message, field=error.field, status=422)
    return error


def _as_sent(error: BadInput, listed: Sequence[str]) -> BadInput:
    """With the name that the form has for a task's field."""
    field = error.field or ""
    if field == "input":
        named = "message"
    elif (found := MEDIA_FIELD.fullmatch(field)) and int(found[1]) < len(listed):
        named = f"{listed[int(found[1])]}{found[2]}"
    else:
        return error
    said = error.message.removeprefix(f"{field}: ")
    return BadInput(f"{named}: {said}", code=error.code, field=named)


def _json(name: str, value: str) -> Any:
    try:
        return parse_any(value.encode("utf-8", "surrogatepass"))
    except BadInput as error:
        inside = error.field or ""
        field = f"{name}.{inside}" if inside and inside[0] != "[" else f"{name}{inside}"
        raise BadInput(f"{name}: {error.message}", code=error.code, field=field) from error


def _object(name: str, value: str) -> dict[str, Any]:
    return as_object(_json(name, value), name)


def _listed(form: FormData) -> list[tuple[str, dict[str, Any]]]:
    """Media that Agno's client sends as JSON, with base64 in `content`; each with its name."""
    found: list[tuple[str, dict[str, Any]]] = []
    for name, kind in MEDIA:
        value = text(form, name)
        if value is None:
            continue
        for at, said in enumerate(objects(name, value)):
            given = {"type": kind, "mime_type": said.get("mime_type"),
                     "filename": said.get("filename"), "url": said.get("url"),
                     "data": said.get("content")}  # fmt: skip
            told = {key: value for key, value in given.items() if value is not None}
            found.append((f"{name}.{at}", told))
    return found


def objects(name: str, value: str) -> list[dict[str, Any]]:
    """The objects of a JSON array.

    Raises:
        BadInput: it is not JSON, or no array of objects.
    """
    found = _json(name, value)
    if not isinstance(found, list):
        raise BadInput(f"{name}: a JSON array is wanted", field=name)
    each: list[object] = found  # pyright: ignore[reportUnknownVariableType]
    return [as_object(one, f"{name}.{at}") for at, one in enumerate(each)]


async def _uploaded(form: FormData, keep: Keep) -> list[dict[str, Any]]:
    """What is small travels in the message, as long as there is room. Browsers send an empty file
    where none was chosen."""
    found, room = list[dict[str, Any]](), INLINE_MOST
    for one in form.getlist("files"):
        if isinstance(one, str) and one:
            raise BadInput("files: a file is wanted, not text", field="files")
        if isinstance(one, UploadFile) and one.size:
            media_type = media_type_of(one.content_type)
            kind = media_type.partition("/")[0]
            data = await one.read()
            small = len(data) <= room
            room -= len(data) if small else 0
            found.append({
                "type": kind if kind in ("image", "audio", "video") else "file",
                "mime_type": media_type, "filename": one.filename or "file",
                **({"data": base64.b64encode(data).decode()} if small
                   else {"blob": await keep(data, media_type)}),
            })  # fmt: skip
            await one.close()
    return found
