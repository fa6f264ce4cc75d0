"""What holds for every request: a limit on its body, and headers that make answers safe."""

import asyncio

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from actalog_core import tracing
from actalog_gateway.problems import RETRY_AFTER_S, Problem, response

SAFE = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
KIB, MIB = 1_024, 1_048_576
BODY_LIMIT = MIB + 64 * KIB  # the border refuses above 1 MiB and says so; this ends the reading
UPLOAD_LIMIT = 32 * MIB  # files of AgentOS forms, and blobs
ANSWER_S = 15.0  # from the request's last byte to the answer's first
LIMIT = "actalog.limit"

log = structlog.get_logger()


class SafeHeaders:
    """Adds the headers of `SAFE` where an answer does not set them itself."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SAFE.items():
                    headers.setdefault(name, value)
            await send(message)

        if scope["type"] == "http":
            await self.app(scope, receive, with_headers)
        else:
            await self.app(scope, receive, send)


class Faults:
    """What no route expects is a fault of ours: 500, with the headers that every answer has."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def sent(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, sent)
        except ClientDisconnect:
            return  # in the middle of its request: nobody waits for an answer
        except Exception as error:
            if started:
                raise
            path = (scope.get("raw_path") or b"").decode("ascii", "replace")
            log.error("a request failed", path=path, exc_info=error)
            fault = Problem("internal", "something went wrong here", status=500)
            await response(fault)(scope, receive, send)


class Traced:
    """A span around what a client posts, in the client's own trace where it names one."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        said = Headers(scope=scope)
        within = tracing.extract(said.get("traceparent"), said.get("tracestate"))
        with tracing.span("POST", within=within, kind=tracing.SpanKind.SERVER) as span:
            await self.app(scope, receive, self._told(send, span, scope))

    def _told(self, send: Send, span: tracing.Span, scope: Scope) -> Send:
        """The route and the status as soon as they are known: a stream lasts."""

        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start" and span.is_recording():
                route = getattr(scope.get("route"), "path", "")
                span.update_name(f"POST {route}".strip())
                span.set_attribute("http.request.method", "POST")
                span.set_attribute("http.route", route)
                span.set_attribute("http.response.status_code", message["status"])
            await send(message)

        return telling


class Patience:
    """Whoever asks hears in time that the database is too slow, or all connections to it are
    taken: 503; and whose body does not come, that it is waited for no longer: 408. A route that
    waits for a run says so by `without_end`."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        loop = asyncio.get_running_loop()
        limit, started, asking = asyncio.timeout(ANSWER_S), False, False

        async def received() -> Message:
            nonlocal asking
            asking = True
            message = await receive()
            asking = False
            if limit.when() is not None:
                limit.reschedule(loop.time() + ANSWER_S)
            return message

        async def sent(message: Message) -> None:
            nonlocal started
            started = True
            limit.reschedule(None)
            await send(message)

        try:
            async with limit:
                scope[LIMIT] = limit
                await self.app(scope, received, sent)
        except TimeoutError:
            if started or not limit.expired():
                raise
            await (_half() if asking else _slow())(scope, receive, send)


def _slow() -> Response:
    said = "the platform's database is too slow just now; try again"
    return response(Problem("overloaded", said, status=503, retry_after_s=RETRY_AFTER_S))


def _half() -> Response:
    """What comes after all is no other request: the connection ends."""
    said = "the rest of the body did not come in time"
    return response(Problem("bad_input", said, status=408), headers={"Connection": "close"})


def without_end(scope: Scope) -> None:
    """This request is answered when its run ends."""
    scope[LIMIT].reschedule(None)


class Encodings:
    """A body is read as it is sent. Compressed, it would be taken for what it is not, and a blob
    be kept that nobody can read."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (told := _encodings(Headers(scope=scope))):
            said = f"a body with the encoding {told[:100]!r} is not read; send it as it is"
            wrong = Problem("bad_input", said, field="content-encoding", status=415)
            await response(wrong, headers={"Accept-Encoding": "identity"})(scope, receive, send)
            return
        await self.app(scope, receive, send)


def _encodings(said: Headers) -> str:
    told = said.getlist("content-encoding")
    each = [one.strip().lower() for line in told for one in line.split(",")]
    return ", ".join(one for one in each if one not in ("", "identity"))


class BodyLimit:
    """Stops reading a body that is too large, whatever its Content-Length says."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = _limit(scope["path"])
        said = Headers(scope=scope).get("content-length", "0")
        if not said.isdigit() or int(said) > limit:
            await response(_too_large(limit))(scope, receive, send)
            return
        had = 0

        async def counted() -> Message:
            nonlocal had
            message = await receive()
            had += len(message.get("body", b""))
            if had > limit:
                raise _too_large(limit)
            return message

        await self.app(scope, counted, send)


def _limit(path: str) -> int:
    uploads = path == "/v1/blobs" or path.startswith("/agents/")
    return UPLOAD_LIMIT if uploads else BODY_LIMIT


def _too_large(limit: int) -> Problem:
    return Problem("too_large", f"at most {limit} bytes are taken")
