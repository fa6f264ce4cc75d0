"""A client of the gateway: tasks by POST, streams by SSE, resumed where they broke off."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast, get_args
from urllib.parse import quote

import orjson

from actalog.client.results import result_of
from actalog.client.transport import Refused, Told, written
from actalog.client.wire import NoGateway, Response, request
from actalog.errors import NotSupported
from actalog_contracts.streams import Delta
from actalog_contracts.tasks import (
    Inbound,
    PublishedEvent,
    RefusalCode,
    RefusalError,
    RequirementResolve,
    RunCancel,
    RunResult,
    TaskSubmit,
)  # fmt: skip

JSON = {"Content-Type": "application/json"}
AGAIN_S = 0.2  # between two attempts to reach a run that was accepted a moment ago
ATTEMPTS = 50
REFUSALS: tuple[RefusalCode, ...] = get_args(RefusalCode)


class HttpTransport:
    """`base` is the gateway's address, `http://127.0.0.1:7777`; `token` goes as a bearer."""

    def __init__(
        self, base: str, *, token: str | None = None, tenant_id: str | None = None
    ) -> None:
        self.base, self.tenant_id = base.rstrip("/"), tenant_id
        self.headers = {"Authorization": f"Bearer {token}"} if token else dict[str, str]()

    async def start(self) -> None:
        """See `Transport.start`."""
        async with request(self.base, "GET", "/health/live", headers=self.headers) as response:
            await response.body()

    async def stop(self) -> None:
        """Nothing is kept open."""

    async def send(self, message: Inbound) -> None:
        """See `Transport.send`."""
        match message:
            case TaskSubmit():
                await self._post("/v1/tasks", message)
            case RunCancel(run_id=run_id):
                body = {"reason": message.reason, "by": message.by}
                await self._post(self._of(run_id, "cancel"), body)
            case RequirementResolve():
                where = self._of(message.run_id, "requirements", message.requirement_id)
                body = message.model_dump(
                    mode="json", exclude={"type", "run_id", "requirement_id", "tenant_id"},
                    exclude_none=True,
                )  # fmt: skip
                await self._post(where, body)
            case _:
                raise NotSupported(f"{message.type} over HTTP; send it over Kafka.")

    @asynccontextmanager
    async def watch(self, run_id: str, *, after: int = 0) -> AsyncGenerator[AsyncIterator[Told]]:
        """See `Transport.watch`. Connects when it is first read, and again where it broke off."""
        told = self._told(run_id, after)
        try:
            yield told
        finally:
            await told.aclose()

    async def result(self, run_id: str) -> RunResult:
        """See `Transport.result`: made of the run's events."""
        async with self.watch(run_id) as told:
            return await result_of(told)

    async def _told(self, run_id: str, after: int) -> AsyncGenerator[Told, None]:
        path, failed = self._of(run_id, "events"), 0
        last_id: str | None = None
        heard: PublishedEvent | None = None
        while True:
            headers = self.headers | ({"Last-Event-ID": last_id} if last_id else {})
            try:
                async with request(self.base, "GET", path, headers=headers) as response:
                    if response.status == 404 and failed < ATTEMPTS:
                        raise NoGateway(f"run {run_id!r} is not known yet")
                    await _check(response)
                    async for kind, id, text in _events(response):
                        last_id, failed = id or last_id, 0
                        one = _read(kind, text, heard)
                        if isinstance(one, PublishedEvent):
                            heard = one
                        if one is not None and (isinstance(one, Delta) or one.seq > after):
                            yield one
            except NoGateway:
                failed += 1
                if failed > ATTEMPTS:
                    raise
            await asyncio.sleep(AGAIN_S)

    def _of(self, run_id: str, *more: str) -> str:
        """The address of a run, or of what it has."""
        path = "/".join(quote(one, safe="") for one in (run_id, *more))
        tenant = f"?tenant_id={quote(self.tenant_id, safe='')}" if self.tenant_id else ""
        return f"/v1/runs/{path}{tenant}"

    async def _post(self, path: str, body: Inbound | Mapping[str, Any]) -> None:
        said = orjson.dumps(body) if isinstance(body, Mapping) else written(body)
        headers = self.headers | JSON
        async with request(self.base, "POST", path, body=said, headers=headers) as response:
            await _check(response)
            await response.body()


async def _check(response: Response) -> None:
    """Raises Refused for 4xx, NoGateway for 5xx."""
    if response.status < 400:
        return
    text = (await response.body()).decode("utf-8", "replace")
    if response.status >= 500:
        raise NoGateway(f"HTTP {response.status}: {text[:500]}")
    raise Refused(_refusal(response.status, text))


def _refusal(status: int, text: str) -> RefusalError:
    told = _object(text)
    error = told.get("error", told)
    error = cast("dict[str, Any]", error) if isinstance(error, dict) else {"message": error}
    by_status: dict[int, RefusalCode] = {
        401: "not_allowed", 403: "not_allowed", 404: "unknown_run", 409: "conflict",
        410: "expired", 413: "too_large", 429: "overloaded",
    }  # fmt: skip
    code = error.get("code")
    known = code if code in REFUSALS else by_status.get(status, "bad_input")
    message = error.get("message") or told.get("detail") or text[:500] or f"HTTP {status}"
    return RefusalError(code=known, message=str(message), field=error.get("field"))


async def _events(response: Response) -> AsyncIterator[tuple[str, str | None, str]]:
    """Server-sent events: their kind, id and data."""
    kind, id = "", None
    data: list[str] = []
    async for raw in response.lines():
        name, _, value = raw.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        if name == "id":
            id = value
        elif name == "event":
            kind = value
        elif name == "data":
            data.append(value)
        elif not raw:
            if data:
                yield kind, id, "\n".join(data)
            kind, id, data = "", None, []


def _read(kind: str, text: str, heard: PublishedEvent | None) -> Told | None:
    """What an event carries; of kinds that are not known nothing. A delta is of the run that was
    `heard` of.

    Raises:
        Refused: the task was refused, there is no run.
    """
    told = _object(text)
    if kind == "delta" and heard is not None:
        about = {"tenant_id": heard.tenant_id, "session_id": heard.session_id}
        return Delta.model_validate({**told, **about})
    if kind == "message.refused.v1":
        raise Refused(_refusal(404, text))
    return PublishedEvent.model_validate(told) if "hash" in told else None


def _object(text: str) -> dict[str, Any]:
    try:
        told = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return cast("dict[str, Any]", told) if isinstance(told, dict) else {}
