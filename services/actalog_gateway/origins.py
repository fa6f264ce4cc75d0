"""Pages of other sites: what they may read CORS decides, and what they may begin this does.

A browser sends a form, or text, to any address without asking first, this machine's own included: a
page that somebody merely visits could start runs, cancel them, and approve what they ask.

A page may also let its own name lead to this machine once it is open ("DNS rebinding"): then to the
browser this gateway is where the page came from, and may be read as well. Such a request names in
`Host` what nobody calls this machine.
"""

import ipaddress
from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from actalog_gateway.problems import Problem, response

READING = frozenset({"GET", "HEAD", "OPTIONS"})


class Origins:
    """Lets pages of the origins begin something, and those that came from here. Who is no browser
    says no origin. `local`: the gateway is for this machine only, and so are its names."""

    def __init__(self, app: ASGIApp, *, origins: Collection[str], local: bool) -> None:
        self.app, self.origins, self.local = app, origins, local
        self.names = {_name(one.partition("//")[2]) for one in origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (refused := self._refusal(scope)):
            await response(Problem("not_allowed", refused, status=403))(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _refusal(self, scope: Scope) -> str | None:
        said = Headers(scope=scope)
        host, origin = said.get("host", ""), said.get("origin")
        if "*" in self.origins:
            return None
        if self.local and not self._ours(_name(host)):
            return (
                "this is no name of this machine; ACTALOG_CORS_ORIGINS names other addresses of it"
            )
        if scope["method"] in READING or origin is None or self._known(origin, host=host):
            return None
        return "pages of this origin may begin nothing; ACTALOG_CORS_ORIGINS names those that may"

    def _known(self, origin: str, *, host: str) -> bool:
        if origin in self.origins:
            return True
        # Whoever ends TLS before us changes the scheme.
        return origin.partition("//")[2].lower() == host.lower() != ""

    def _ours(self, name: str) -> bool:
        """Nobody can have a name without a dot, or one of these, lead here from outside."""
        if "." not in name or name in self.names or name.endswith((".localhost", ".internal")):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _name(host: str) -> str:
    """Of `name:port`."""
    name = host.lower()
    return name.removesuffix(f":{name.rpartition(':')[2]}").strip("[]").rstrip(".")


def is_local(host: str) -> bool:
    """Whether only this machine reaches what listens there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
