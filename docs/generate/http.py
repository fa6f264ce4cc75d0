"""From the gateway's routes."""

import json
from collections import defaultdict
from typing import Any

from actalog_gateway.app import routed
from actalog_gateway.problems import STATUS_OF
from actalog_gateway.routes_later import LATER
from docs.generate.tables import code, page, table

ABOUT = """\
The gateway answers at `ACTALOG_HOST`:`ACTALOG_PORT`. `/openapi.json` describes these routes for machines,
`/asyncapi.json` the topics, `/schemas/{type}.json` each message. Times are RFC 3339 in UTC."""
TITLES = {
    "runs": "Actalog's own routes", "blobs": "Blobs", "contracts": "Contracts",
    "health": "For those who watch",
}  # fmt: skip
LATER_ABOUT = "These have their place and answer 501 with the code `not_supported`:"
ERRORS = """\
## Errors

The body is `{"error": {"code", "message", "field", "retryable"}, "detail"}`: `error` as in a refusal on the bus, and
`detail` (the message again) for clients of AgentOS. A parameter of a wrong form gets 422 with `bad_input`. What may be
tried again has `retryable` true, and `Retry-After` where it is known; `overloaded` is 429 where one tenant has filled its
part of the inbox. 500 with `internal` is a fault of ours. A body has at most 1 MiB, a blob and an AgentOS form 32 MiB;
a request's line and headers have at most 64 KiB (431, without a body)."""


def written() -> str:
    """The page."""
    parts: list[str] = []
    for tag, rows in _routes().items():
        parts += [f"## {TITLES.get(tag, tag)}", table(["route", "query, headers", ""], rows)]
    later = table(["route", ""], ((code(path), what) for path, what in LATER.items()))
    statuses = table(["code", "status"], ((code(one), str(n)) for one, n in STATUS_OF.items()))
    return page(
        "HTTP", ABOUT, *parts, "## Not in this version", LATER_ABOUT, later, ERRORS, statuses
    )


def _routes() -> dict[str, list[tuple[str, str, str]]]:
    found: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    paths: dict[str, dict[str, dict[str, Any]]] = routed().openapi()["paths"]
    for path, methods in paths.items():
        for method, told in methods.items():
            given = told.get("parameters", ())
            beside = [code(one["name"]) for one in given if one["in"] != "path"]
            about = told.get("description") or told.get("summary") or ""
            row = (code(f"{method.upper()} {path}"), ", ".join(beside), about)
            found[told["tags"][0]].append(row)
    return found


def openapi() -> str:
    """The same document that the gateway answers with."""
    return json.dumps(routed().openapi(), indent=1, ensure_ascii=False) + "\n"
