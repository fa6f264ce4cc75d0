"""Pages of other sites: what they may read CORS decides, and what they may begin this does.

A browser sends a form, or text, to any address without asking first, this machine's own included: a
page that somebody merely visits could start runs, cancel them, and approve what they ask.
"""

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from actalog_gateway.problems import Problem, response

READING = frozenset({"GET", "HEAD", "OPTIONS"})


def listed(told: str) -> tuple[str, ...]:
    """`ACTALOG_CORS_ORIGINS` as single origins."""
    return tuple(one.strip() for one in told.split(",") if one.strip())


class Origins:
    """Lets pages of the origins begin something, and those that came from here. Who is no browser
    says no origin."""

    def __init__(self, app: ASGIApp, *, origins: Collection[str]) -> None:
        self.app, self.origins = app, origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in READING:
            said = Headers(scope=scope)
            origin = said.get("origin")
            if origin is not None and not self._known(origin, host=said.get("host", "")):
                text = "pages of this origin may begin nothing; ACTALOG_CORS_ORIGINS names those that may"
                await response(Problem("not_allowed", text, status=403))(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _known(self, origin: str, *, host: str) -> bool:
        if "*" in self.origins or origin in self.origins:
            return True
        try:  # the scheme is not compared: somebody may end TLS before us
            return urlsplit(origin).netloc.lower() == host.lower() != ""
        except ValueError:  # it is no address at all
            return False
