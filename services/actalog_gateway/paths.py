"""Paths as their sender meant them: an encoded slash is a part of an id, one at the end nothing."""

import re
from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send

SLASH = "\udc2f"  # no path has it: what is no UTF-8 is replaced when it is read
# AgentOS's clients write an agent's id into their paths as it is.
AGENT = re.compile(r"(?s)/agents/(.+?)(/(?:runs|sessions)(?:/.*)?)?")
HEAD_ONLY = "actalog.head"


def part(text: object) -> object:
    """A part of a path, with the slashes that were written in it."""
    return text.replace(SLASH, "/") if isinstance(text, str) else text


class Paths:
    """Ids may hold a slash, which ASGI's path does not tell from one that parts. HEAD is answered
    where GET is, as HTTP wants it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            changed: Scope = {"path": _meant(scope["path"], scope.get("raw_path") or b"")}
            if scope["method"] == "HEAD":
                changed |= {"method": "GET", HEAD_ONLY: True}
            if changed != {"path": scope["path"]}:
                scope = {**scope, **changed}  # the server's own stays as it was received
        await self.app(scope, receive, send)


def _meant(path: str, raw: bytes) -> str:
    if b"%2f" in raw.lower():
        parts = [unquote(one) for one in raw.decode("ascii", "replace").split("/")]
        path = "/".join(one.replace("/", SLASH) for one in parts)
    path = path.rstrip("/") or "/"
    if (found := AGENT.fullmatch(path)) and "/" in found[1]:
        path = f"/agents/{found[1].replace('/', SLASH)}{found[2] or ''}"
    return path
