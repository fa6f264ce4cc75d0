"""Errors as clients see them: one JSON shape, a code, the field at fault, never a trace."""

from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route

from actalog_contracts.border import BadInput
from actalog_core.errors import Tampered, Transient

log = structlog.get_logger()

STATUS_OF: Mapping[str, int] = {
    "bad_input": 400, "conflict": 409, "unknown_target": 404, "unknown_run": 404,
    "not_allowed": 403, "expired": 409, "already_resolved": 409, "digest_mismatch": 409,
    "too_large": 413, "overloaded": 503, "not_supported": 501, "not_found": 404,
    "tampered": 500,
}  # fmt: skip
RETRY_AFTER_S = 1


class Problem(Exception):
    """A request is refused. `code` decides the status; `more` are fields of the error."""

    def __init__(
        self, code: str, message: str, *, field: str | None = None, status: int | None = None,
        retry_after_s: int | None = None, **more: Any,
    ) -> None:  # fmt: skip
        super().__init__(message)
        self.code, self.message, self.field, self.more = code, message, field, more
        self.status = status or STATUS_OF.get(code, 400)
        self.retry_after_s = retry_after_s


def not_found(what: str) -> Problem:
    """404 in AgentOS's words, e.g. `Agent not found`."""
    return Problem("not_found", f"{what} not found")


def response(
    problem: Problem, *, detail: object = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """`detail` is where AgentOS's clients look, `error` where ours do."""
    error: dict[str, Any] = {
        "code": problem.code, "message": problem.message, "field": problem.field,
        "retryable": problem.status in (429, 503), **problem.more,
    }  # fmt: skip
    after = problem.retry_after_s
    return JSONResponse(
        {"detail": detail or problem.message, "error": error},
        status_code=problem.status,
        headers={**(headers or {}), **({"Retry-After": str(after)} if after else {})},
    )


def install(app: FastAPI) -> None:
    """Every exception that leaves a route becomes such a body; of what nobody expects,
    `middleware.Faults` makes one."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(BadInput, _bad_input)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Transient, _transient)
    app.add_exception_handler(Tampered, _tampered)


async def _problem(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)
    return response(error)


async def _bad_input(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, BadInput)
    return response(Problem(error.code, error.message, field=error.field))


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    """FastAPI's own list in `detail` on AgentOS's routes, whose clients know it."""
    assert isinstance(error, RequestValidationError)
    told: Sequence[Mapping[str, Any]] = [
        {name: one[name] for name in ("type", "loc", "msg") if name in one}
        for one in error.errors()
    ]
    field = ".".join(str(part) for part in told[0]["loc"][1:]) if told else None
    message = f"{field}: {told[0]['msg']}" if told else "the request is not valid"
    ours = request.url.path.startswith("/v1/")
    problem = Problem("bad_input", message, field=field, status=422)
    return response(problem, detail=None if ours else told)


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "not_allowed", 413: "too_large"}.get(
        error.status_code, "bad_input"
    )
    problem = Problem(code, str(error.detail), status=error.status_code)
    headers = {"Allow": _allowed(request)} if error.status_code == 405 else error.headers
    return response(problem, headers=headers)


def _allowed(request: Request) -> str:
    """All methods of the path: a route knows its own alone."""
    routes: list[Route] = request.app.state.routes
    found = {
        method
        for one in routes if one.matches(request.scope)[0] is not Match.NONE
        for method in one.methods or ()
    }  # fmt: skip
    return ", ".join(sorted(found | ({"HEAD"} if "GET" in found else set())))


async def _tampered(request: Request, error: Exception) -> JSONResponse:
    """Whoever asked for this very run is told what its log is; no other request fails for it."""
    log.error("the log was changed", path=request.url.path, found=str(error))
    return response(Problem("tampered", str(error)))


async def _transient(_: Request, error: Exception) -> JSONResponse:
    log.warning("answered 503", reason=type(error).__name__)
    said = "the platform cannot reach its database just now; try again"
    return response(Problem("overloaded", said, status=503, retry_after_s=RETRY_AFTER_S))
