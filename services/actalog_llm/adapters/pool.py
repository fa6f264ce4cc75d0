"""The pool of connections under both SDKs."""

from typing import Any, cast

import httpx2
from openai import DefaultAioHttpClient

MOST_KNOWN = 1_000  # endpoints with their headers
Known = tuple[httpx2.URL, httpx2.Headers]


class Pool(DefaultAioHttpClient):
    """Over aiohttp a streamed call costs half of what it costs over httpx2's own transport, which
    looks at every connection of the pool for each request. And what is the same in every request
    of an endpoint, address and headers, is parsed and merged once."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._known: dict[object, Known] = {}

    def build_request(
        self, method: str, url: httpx2.URL | str, *, content: Any = None, headers: Any = None,
        timeout: Any = None, **rest: Any,
    ) -> httpx2.Request:  # fmt: skip
        """See `httpx2.AsyncClient.build_request`."""
        plain = isinstance(content, bytes) and isinstance(timeout, httpx2.Timeout)
        told = _pairs(headers)
        if not plain or told is None or any(rest.values()):
            return super().build_request(
                method, url, content=content, headers=headers, timeout=timeout, **rest
            )
        key = method, str(url), told
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            made = super().build_request(method, url, content=content, headers=headers)
            made.headers.pop("Cookie", None)  # of this moment; each request has its own
            known = self._known[key] = made.url, made.headers
        where, same = known
        head = same.copy()
        head["Content-Length"] = str(len(content))
        request = httpx2.Request(
            method, where, headers=head, stream=httpx2.ByteStream(content),
            cookies=self.cookies, extensions={"timeout": timeout.as_dict()},
        )  # fmt: skip
        request.read()
        return request


def _pairs(headers: object) -> tuple[object, ...] | None:
    """Headers as the SDKs give them, to be compared; None: in another form."""
    if isinstance(headers, httpx2.Headers):
        return tuple(headers.raw)
    return tuple(cast(list[object], headers)) if isinstance(headers, list) else None
