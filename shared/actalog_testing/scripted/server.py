"""The server: takes requests, asks its script, answers."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeAlias

import orjson

from actalog_testing.scripted.demo import demo_reply
from actalog_testing.scripted.http import Connection, HttpRequest, HttpResponse
from actalog_testing.scripted.request import Request, Wire
from actalog_testing.scripted.respond import refuse, respond
from actalog_testing.scripted.script import Answer

Script: TypeAlias = Sequence[Answer] | Callable[[Request], Answer | None]

ROUTES: dict[str, Wire] = {"/v1/chat/completions": "openai", "/v1/messages": "anthropic"}
MODELS = orjson.dumps(
    {"object": "list", "data": [{"id": "scripted", "object": "model", "created": 0}]}
)


class ScriptedServer:
    """Answers model calls by a script: a list of answers in order, or a function of the request.

    Where the script has nothing to say (its list is used up, the function returns None), the
    demo model answers. `keep` is how many of the last requests are remembered.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        script: Script | None = None,
        host: str = "127.0.0.1",
        keep: int = 1_000,
    ) -> None:
        self._host, self._port = host, port
        self._received: deque[Request] = deque(maxlen=keep)
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self._queue: deque[Answer] = deque()
        self._function: Callable[[Request], Answer | None] | None = None
        self.count = 0  # of all requests ever received
        if script is not None:
            self.follow(script)

    def follow(self, script: Script) -> None:
        """From now on answer by this script."""
        self._queue.clear()
        self._function = script if callable(script) else None
        if not callable(script):
            self._queue.extend(script)

    @property
    def requests(self) -> list[Request]:
        """The model requests received, the oldest first."""
        return list(self._received)

    @property
    def left(self) -> int:
        """How many answers of a list were not used yet."""
        return len(self._queue)

    @property
    def base_url(self) -> str:
        """Without a path; OpenAI clients want `base_url + "/v1"`."""
        return f"http://{self._host}:{self._port}"

    async def start(self) -> str:
        """Listen; returns the base URL. With port 0 a free one is taken and kept."""
        loop = asyncio.get_running_loop()
        make = lambda: Connection(self._answer, self._connections)
        self._server = await loop.create_server(make, self._host, self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        return self.base_url

    async def stop(self) -> None:
        """Close the port and every connection, stalled ones too."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for connection in list(self._connections):
            connection.close()
        await server.wait_closed()

    def ready(self) -> str | None:
        """None when it listens."""
        return None if self._server is not None else "the scripted model server is not started"

    def _answer(self, http: HttpRequest) -> HttpResponse:
        path = http.path.partition("?")[0]
        wire = ROUTES.get(path)
        if wire is None:
            if path == "/v1/models":
                return HttpResponse(200, "application/json", [MODELS])
            return refuse("openai", 404, f"no route {path}; there are {', '.join(ROUTES)}")
        if http.method != "POST":
            return refuse(wire, 405, "only POST")
        try:
            body = orjson.loads(http.body)
        except orjson.JSONDecodeError as error:
            return refuse(wire, 400, f"the body is not JSON: {error}")
        if not isinstance(body, dict) or "messages" not in body:
            return refuse(wire, 400, "a JSON object with messages is wanted")
        request = Request(wire, body, http.headers, http.body)  # pyright: ignore[reportUnknownArgumentType]
        self._received.append(request)
        self.count += 1
        try:
            answer = self._next(request) or demo_reply(request)
        except Exception as error:  # noqa: BLE001 - of a test's function, told to its client
            return refuse(wire, 500, f"the script failed: {error!r}")
        return respond(answer, request)

    def _next(self, request: Request) -> Answer | None:
        if self._function is not None:
            return self._function(request)
        return self._queue.popleft() if self._queue else None
