"""What is allowed of a provider's answer before anybody reads it: where it may lead, and how much an
error may say."""

from collections.abc import AsyncIterator

import httpx2

from actalog_llm.failures import LEADS_TO

MOST_OF_ERROR = 65_536  # bytes as they come; the message of a failure shows 2,000 characters
SAME_REQUEST = (307, 308)  # the others make a GET without a body of it
DEFAULT_PORTS = {"http": 80, "https": 443}


async def admit(response: httpx2.Response) -> None:
    """Looks at each answer before a redirect is followed. A redirect is followed where the request
    stays the same and on its host: keys in headers of their own (`x-api-key`, `api-key`) would go
    along to wherever it leads, as the prompt does."""
    if response.is_success:
        return
    response.stream = _Short(response.stream)
    location = response.headers.get("location")
    if not response.is_redirect or location is None:
        return
    here = response.request.url
    try:
        there = here.join(location)
    except (httpx2.InvalidURL, ValueError):
        there = None
    if there is not None and response.status_code in SAME_REQUEST and _stays(here, there):
        return
    del response.headers["location"]
    shown = there and f"{there.scheme}://{there.netloc.decode()}{there.path}"
    response.headers[LEADS_TO] = shown or "what is no address"


def _stays(here: httpx2.URL, there: httpx2.URL) -> bool:
    """The same scheme, host and port, or https in the place of http, both at their usual ports."""
    if there.host != here.host:
        return False
    ports = [url.port or DEFAULT_PORTS.get(url.scheme) for url in (here, there)]
    if there.scheme == here.scheme:
        return ports[0] == ports[1]
    return (here.scheme, there.scheme, ports) == ("http", "https", [80, 443])


class _Short(httpx2.AsyncByteStream):
    """A body of which no more is read than that: what is wrong is said at its begin, and a server
    that never ends must not fill the memory."""

    def __init__(self, stream: object) -> None:
        assert isinstance(stream, httpx2.AsyncByteStream)
        self.stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = MOST_OF_ERROR
        async for piece in self.stream:
            yield piece[:left]
            left -= len(piece)
            if left <= 0:
                return

    async def aclose(self) -> None:
        await self.stream.aclose()
