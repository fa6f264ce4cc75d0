"""Images, sound and files of a task, for the messages they go with. Pure.

A prompt has them as the task said them: by address, as base64, or by the id of a blob, whose bytes
are put in before the provider's form is made.
"""

import base64
import binascii
import mimetypes
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from actalog_llm.prompt.messages import Attached, Messages, User, attached, named
from actalog_llm.prompt.parts import MEDIA, Part

Blobs: TypeAlias = Mapping[str, tuple[str, bytes]]
"""Media type and bytes, by id."""

MOST_BYTES = 20 * 1_048_576  # of all blobs of a prompt: what providers take with one request
# How the formats that providers take begin, in base64.
BEGINNINGS = (
    ("iVBORw0KGgo", "image/png"), ("/9j/", "image/jpeg"), ("R0lGOD", "image/gif"),
    ("UklGR", "image/webp"), ("JVBERi0", "application/pdf"), ("SUQz", "audio/mpeg"),
)  # fmt: skip
ANTHROPIC_IMAGES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
SOUNDS = {
    "audio/wav": "wav", "audio/x-wav": "wav", "audio/wave": "wav", "audio/vnd.wave": "wav",
    "audio/mpeg": "mp3", "audio/mp3": "mp3",
}  # fmt: skip
TEXTS = frozenset({"application/json", "application/xml", "application/yaml", "application/x-yaml"})
UNKNOWN = "application/octet-stream"


class NotTaken(Exception):
    """The provider takes no such thing, or it is not there."""


def blobs_of(parts: Sequence[Part]) -> dict[str, bool]:
    """The ids of the blobs that a prompt shows, the newest first, and whether it is the run's own,
    without which it cannot be asked."""
    found: dict[str, bool] = {}
    for part in reversed(parts):
        if part.kind == MEDIA:
            own = part.role == MEDIA
            found |= {one.blob: own for one in attached(part.text)
                      if one.blob and one.blob not in found}  # fmt: skip
    return found


def filled(messages: Messages, blobs: Blobs) -> Messages:
    """The same messages, with the bytes of blobs in place of their ids, as far as they are there."""
    if not blobs:
        return messages
    said = [
        replace(one, media=tuple(_filled(each, blobs) for each in one.media))
        if isinstance(one, User) and one.media else one
        for one in messages.said
    ]  # fmt: skip
    return replace(messages, said=said)


def _filled(one: Attached, blobs: Blobs) -> Attached:
    if one.blob is None or one.blob not in blobs:
        return one
    media_type, data = blobs[one.blob]
    mime_type = one.mime_type or (media_type if media_type != UNKNOWN else None)
    return replace(one, mime_type=mime_type, data=base64.b64encode(data).decode(), blob=None)


def openai_parts(media: Sequence[Attached]) -> list[dict[str, Any]]:
    """Content parts of a chat completion.

    Raises:
        NotTaken: the API takes no such thing.
    """
    return [_or_named(one, _openai) for one in media]


def _or_named(one: Attached, form: Callable[[Attached], dict[str, Any]]) -> dict[str, Any]:
    """Where an earlier run's is not taken (that run was another model's), its name stands for it."""
    try:
        if one.blob is not None:
            raise NotTaken(f"{one.where}.blob: there is no such blob")
        return form(one)
    except NotTaken:
        if not one.earlier:
            raise
        return {"type": "text", "text": named(one)}


def _openai(one: Attached) -> dict[str, Any]:
    mime = mime_of(one)
    match one.type, one.url, one.data:
        case "image", str(url), _:
            return {"type": "image_url", "image_url": {"url": url}}
        case "image", _, str(data):
            return {"type": "image_url", "image_url": {"url": f"data:{mime};base64,{data}"}}
        case "audio", _, str(data) if mime in SOUNDS:
            return {"type": "input_audio", "input_audio": {"data": data, "format": SOUNDS[mime]}}
        case "file", _, str(data) if is_text(mime):
            return {"type": "text", "text": _titled(one, _text(one, data))}
        case "file", _, str(data):
            told = {"filename": one.filename or "file", "file_data": f"data:{mime};base64,{data}"}
            return {"type": "file", "file": told}
        case _:
            raise _not_taken(one, mime, "chat completions take")


def anthropic_blocks(media: Sequence[Attached]) -> list[dict[str, Any]]:
    """Content blocks of Anthropic's messages API.

    Raises:
        NotTaken: the API takes no such thing.
    """
    return [_or_named(one, _anthropic) for one in media]


def _anthropic(one: Attached) -> dict[str, Any]:
    mime = mime_of(one)
    title = {"title": one.filename} if one.filename else {}
    match one.type, one.url, one.data:
        case "image", str(url), _:
            return {"type": "image", "source": {"type": "url", "url": url}}
        case "image", _, str(data) if mime in ANTHROPIC_IMAGES:
            return {"type": "image", "source": _base64(mime, data)}
        case "file", str(url), _ if mime in ("application/pdf", UNKNOWN):
            return {"type": "document", "source": {"type": "url", "url": url}, **title}
        case "file", _, str(data) if mime == "application/pdf":
            return {"type": "document", "source": _base64(mime, data), **title}
        case "file", _, str(data) if is_text(mime):
            source = {"type": "text", "media_type": "text/plain", "data": _text(one, data)}
            return {"type": "document", "source": source, **title}
        case _:
            raise _not_taken(one, mime, "Anthropic's messages take")


def _base64(mime: str, data: str) -> dict[str, Any]:
    return {"type": "base64", "media_type": mime, "data": data}


def mime_of(one: Attached) -> str:
    """As it was said; else by its first bytes, or its name."""
    if one.mime_type:
        return one.mime_type.partition(";")[0].strip().lower()
    begins = (one.data or "")[:16]
    for beginning, mime in BEGINNINGS:
        if begins.startswith(beginning):
            return mime
    name = one.filename or (one.url or "").partition("?")[0]
    return mimetypes.guess_type(name)[0] or UNKNOWN


def is_text(mime: str) -> bool:
    return mime.startswith("text/") or mime in TEXTS


def _titled(one: Attached, text: str) -> str:
    return f"{one.filename}:\n{text}" if one.filename else text


def _text(one: Attached, data: str) -> str:
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise NotTaken(f"{one.where}: a text that is no UTF-8, or no base64") from error


def _not_taken(one: Attached, mime: str, who: str) -> NotTaken:
    how = "by address " if one.url else ""
    return NotTaken(f"{one.where}: {who} no {one.type} {how}({mime})")
