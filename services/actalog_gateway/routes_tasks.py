"""Tasks, cancels and answers to requirements: what goes in over `/v1`."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from actalog_contracts.border import MAX_BYTES, BadInput, parse
from actalog_contracts.strict_json import MAX_INTEGER
from actalog_contracts.tasks import RequirementResolve, RunCancel
from actalog_core.places import located
from actalog_gateway import described
from actalog_gateway.gateway import (
    Gate,
    Gateway,
    Limit,
    PathId,
    QueryId,
    RunId,
    Tenant,
    TenantIfSaid,
)  # fmt: skip
from actalog_gateway.problems import Problem
from actalog_gateway.story import Story, tell

router = APIRouter(prefix="/v1", tags=["runs"], responses=described.ERRORS)


@router.post("/tasks", status_code=202, openapi_extra=described.TASK)
async def submit(
    request: Request, gate: Gate, tenant: TenantIfSaid = None,
    idempotency_key: Annotated[str | None, Header(json_schema_extra=described.KEY)] = None,
) -> JSONResponse:  # fmt: skip
    """Accept a task, the same JSON as on `actalog.tasks`. When this answers it is in Postgres."""
    accepted = await gate.acceptance.submit(
        await request.body(), request.headers, tenant_id=tenant, key=idempotency_key
    )
    told = {"run_id": accepted.run_id, "session_id": accepted.session_id}
    where = located("v1", "runs", accepted.run_id, tenant_id=accepted.tenant_id)
    told["target"] = accepted.target
    return JSONResponse(told, 202, headers={"Location": where})


@router.post("/runs/{run_id}/cancel", status_code=202, openapi_extra=described.CANCEL)
async def cancel(
    run_id: RunId, request: Request, gate: Gate, tenant: Tenant = "default"
) -> dict[str, Any]:
    """Ask for a run's end. For a run that is not known yet it is kept for a day."""
    content = await _content(request, {"reason", "by"})
    told = _valid(RunCancel, {**content, "run_id": run_id, **_of(tenant)})
    await send_cancel(gate, told, tenant)
    return {"run_id": run_id, "accepted": True}


async def send_cancel(gate: Gateway, cancel: RunCancel, tenant: str) -> None:
    """Accept a cancel, at the home of its run's session where that is known.

    Raises:
        Problem: the run has ended otherwise; names the event that stands.
    """
    found = await gate.log.find_run(tenant, cancel.run_id)
    if found is not None and found.standing == "ended":
        story = tell(cancel.run_id, await gate.reader.events(found.row.run_no))
        if story.status == "cancelled":
            return  # as was wished
        said, winner = f"the run has ended: {story.status}", f"{cancel.run_id}:{story.ended_seq}"
        raise Problem("already_resolved", said, field="run_id", winner=winner)
    session_id = found.row.session_id if found else cancel.run_id
    await gate.acceptance.cancel(cancel, tenant_id=tenant, session_id=session_id)


@router.post(
    "/runs/{run_id}/requirements/{requirement_id}", status_code=202,
    openapi_extra=described.ANSWER,
)  # fmt: skip
async def resolve(
    run_id: RunId, requirement_id: PathId, request: Request, gate: Gate,
    tenant: Tenant = "default",
) -> dict[str, Any]:  # fmt: skip
    """A person's answer to what a run waits for."""
    known = set(RequirementResolve.model_fields) - {"type", "run_id", "tenant_id", "requirement_id"}
    content = await _content(request, known)
    ids = {"run_id": run_id, "requirement_id": requirement_id, **_of(tenant)}
    answer = _valid(RequirementResolve, {**content, **ids})
    await send_answer(gate, answer, tenant)
    return {"run_id": run_id, "requirement_id": requirement_id, "accepted": True}


DECISIONS = {"confirmation": ("approve", "reject"), "in_doubt": ("done", "not_done", "reject")}


async def send_answer(gate: Gateway, answer: RequirementResolve, tenant: str) -> None:
    """Accept an answer, if its requirement is open and the person saw what it is about.

    Raises:
        Problem: unknown or resolved already, or about other arguments.
    """
    found = await gate.reader.run(tenant, answer.run_id)
    story = tell(answer.run_id, await gate.reader.events(found.row.run_no))
    open = {one.id: one for one in story.requirements()}
    one = open.get(answer.requirement_id)
    if one is None:
        if story.raised(answer.requirement_id):
            raise _too_late(story, answer.requirement_id)
        raise Problem("not_found", "the run has no such requirement", field="requirement_id")
    if answer.digest is not None and one.tool_call and answer.digest != one.tool_call.digest:
        said = "the arguments are not those that the person saw"
        raise Problem("digest_mismatch", said, field="digest")
    if answer.decision not in DECISIONS[one.kind]:
        said = f"this is answered by {', '.join(DECISIONS[one.kind])}"
        raise Problem("not_allowed", said, field="decision")
    await gate.acceptance.resolve(answer, tenant_id=tenant, session_id=found.row.session_id)


def _too_late(story: Story, requirement_id: str) -> Problem:
    """Names the event that stands."""
    winner = story.winner(requirement_id)
    if story.expired and winner == f"{story.run_id}:{story.ended_seq}":
        return Problem("expired", "the run's deadline has passed", winner=winner)
    said = "it was resolved already, or its run has ended"
    return Problem("already_resolved", said, field="requirement_id", winner=winner)


@router.get("/requirements")
async def requirements(
    gate: Gate, tenant: Tenant = "default", session_id: QueryId = None, limit: Limit = 100,
    before: Annotated[int | None, Query(ge=1, le=MAX_INTEGER)] = None,
) -> dict[str, Any]:  # fmt: skip
    """All that waits for a person, of `limit` runs, the newest first. `next` is the `before` of
    the next page, null on the last. `tampered`: those whose log was changed."""
    paused = await gate.log.list_runs(
        tenant, session_id=session_id, standing="paused", limit=limit, before_run_no=before
    )
    stories = await gate.reader.stories(paused)
    return {
        "requirements": [
            one.model_dump(mode="json") for story in stories for one in story.requirements()
        ],
        "tampered": [
            {"run_id": story.run_id, "message": story.error.message}
            for story in stories
            if story.status == "tampered" and story.error
        ],
        "next": paused[-1].row.run_no if len(paused) == limit else None,
    }


def _of(tenant: str) -> dict[str, str]:
    return {} if tenant == "default" else {"tenant_id": tenant}


async def _content(request: Request, known: set[str]) -> dict[str, Any]:
    """The JSON of a control; empty means nothing is said. Ids come from the path alone."""
    body = await request.body()
    if len(body) > MAX_BYTES:
        raise BadInput(f"at most {MAX_BYTES} bytes are taken", code="too_large")
    content = parse(body) if body.strip() else {}
    for name in content:
        if name not in known:
            raise BadInput(f"{name}: there is no such field", field=name)
    return content


def _valid(kind: "type[Any]", content: dict[str, Any]) -> Any:
    """Read as strictly as from the bus."""
    try:
        return kind.model_validate_json(json.dumps(content))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"{name}: {first['msg']}", field=name) from error
