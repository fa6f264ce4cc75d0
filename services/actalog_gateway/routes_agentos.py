"""AgentOS's routes for agents: unmodified clients of Agno talk to these."""

import uuid
from collections.abc import Collection, Mapping
from contextlib import suppress
from functools import partial
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import JSONResponse

from actalog_contracts.base import MAX_ID
from actalog_contracts.border import BadInput, decode
from actalog_contracts.definitions import AgentDefinition
from actalog_contracts.tasks import RequirementResolve, RunCancel
from actalog_core.errors import Transient
from actalog_gateway import agentos_fields as fields
from actalog_gateway import agentos_forms as forms
from actalog_gateway import agentos_runs as runs
from actalog_gateway import agentos_shapes as shapes
from actalog_gateway import described
from actalog_gateway.agentos_found import TENANT, anothers, run_of
from actalog_gateway.agentos_shapes import without_none
from actalog_gateway.agentos_told import AgentTeller
from actalog_gateway.forms import form as read_form
from actalog_gateway.gateway import Gate, Gateway, IfMeant, PathId, RunId
from actalog_gateway.middleware import without_end
from actalog_gateway.problems import Problem, not_found
from actalog_gateway.reader import Where
from actalog_gateway.routes_blobs import keep
from actalog_gateway.routes_tasks import send_answer, send_cancel
from actalog_gateway.sse import Stream
from actalog_gateway.story import Story, tell
from actalog_log.beside_ports import InboxRow
from actalog_log.ports import FoundRun

router = APIRouter(tags=["AgentOS"], responses=described.ERRORS)


async def definition_of(gate: Gateway, agent_id: str) -> AgentDefinition:
    """The agent that is deployed now, or was a second ago."""
    found = await gate.acceptance.deployed.agent(agent_id)
    if found is None:
        raise not_found("Agent")
    return found


async def _pinned(gate: Gateway, found: FoundRun) -> AgentDefinition | None:
    """The agent as it was when the run began: another model may be deployed by now."""
    return await gate.reader.definition(found.row.definition)


async def _deployed(gate: Gateway) -> list[AgentDefinition]:
    found = await gate.log.current_definitions()
    agents = [body for kind, _, _, body in found if kind == "agent"]
    return [AgentDefinition.model_validate_json(body) for body in agents]


@router.get("/config")
async def config(gate: Gate) -> dict[str, Any]:
    """What this platform has, in AgentOS's words."""
    agents = await _deployed(gate)
    domain = {"dbs": [{"db_id": shapes.DB_ID, "domain_config": {"display_name": shapes.DB_ID},
                       "tables": [shapes.DB_ID]}]}  # fmt: skip
    models = {(one.model.id, shapes.provider(one)) for one in agents}
    return {
        "os_id": "actalog", "name": "Actalog", "description": "Actalog",
        "available_models": [{"id": id, "provider": name} for id, name in sorted(models)],
        "os_database": shapes.DB_ID, "databases": [shapes.DB_ID], "session": domain,
        "memory": domain, "metrics": {"dbs": []}, "learning": {"dbs": []},
        "knowledge": {"dbs": [], "knowledge_instances": []}, "evals": {"dbs": []},
        "traces": {"dbs": []}, "agents": [shapes.summary(one) for one in agents],
        "teams": [], "workflows": [], "interfaces": [], "company": None,
    }  # fmt: skip


@router.get("/agents")
async def agents(gate: Gate) -> list[dict[str, Any]]:
    """All agents that are deployed."""
    return [shapes.agent(one) for one in await _deployed(gate)]


@router.get("/teams")
@router.get("/workflows")
async def none_yet() -> list[dict[str, Any]]:
    """Clients ask for them on start: this version has none."""
    return []


async def _no_team() -> None:
    raise not_found("Team")


async def _no_workflow() -> None:
    raise not_found("Workflow")


for _kind, _none in (("teams", _no_team), ("workflows", _no_workflow)):
    for _path in (f"/{_kind}/{{id}}", f"/{_kind}/{{id}}/{{path:path}}"):
        router.add_api_route(_path, _none, methods=["GET", "POST"], include_in_schema=False)


@router.get("/agents/{agent_id}")
async def agent(agent_id: PathId, gate: Gate) -> dict[str, Any]:
    """One agent that is deployed."""
    return shapes.agent(await definition_of(gate, agent_id))


@router.post("/agents/{agent_id}/runs", openapi_extra=described.RUN_FORM, responses=described.RUN)
async def run(
    agent_id: PathId, request: Request, gate: Gate,
    idempotency_key: Annotated[str | None, Header(json_schema_extra=described.KEY)] = None,
) -> Response:  # fmt: skip
    """Start a run: streamed unless `stream=false`; `background=true` answers 202 at once."""
    definition = await definition_of(gate, agent_id)
    async with read_form(request) as form:
        fields.RUN.check(form)
        stream = forms.flag(form, "stream", default=True)
        events = forms.flag(form, "stream_events", default=True)
        background = forms.flag(form, "background", default=False)
        task = await forms.task(form, f"agent:{agent_id}", keep=partial(keep, gate, TENANT))
    accepted = await gate.acceptance.take(task, tenant_id=TENANT, key=idempotency_key)
    where = Where(TENANT, accepted.run_id, accepted.session_id)
    if stream:
        teller = AgentTeller(
            definition, run_id=where.run_id, session_id=where.session_id, events=events
        )
        first = teller.started(int(gate.clock().timestamp()))
        return Stream(runs.frames(gate, where, teller, first, fresh=True))
    if background:
        return _pending(where)
    return await _answer(gate, where, definition, request)


def _pending(where: Where) -> Response:
    told = {"run_id": where.run_id, "session_id": where.session_id, "status": "PENDING"}
    return JSONResponse(told, 202)


async def _answer(
    gate: Gateway, where: Where, definition: AgentDefinition, request: Request, *, after: int = 0,
    answered: Collection[str] = (),
) -> Response:  # fmt: skip
    """A failed run is a 200 with its status."""
    without_end(request.scope)
    try:
        found = await runs.ended(gate, where, after=after, answered=answered, request=request)
        return JSONResponse(await _output(gate, found, definition))
    except runs.ClientGone:
        return Response(status_code=204)
    except Transient as error:
        raise runs.goes_on(where, "the platform cannot reach its database just now") from error


async def _output(gate: Gateway, found: FoundRun, definition: AgentDefinition) -> dict[str, Any]:
    row = found.row
    definition = await _pinned(gate, found) or definition
    story = tell(row.run_id, await gate.reader.events(row.run_no))
    where = Where.of(found, row.run_id)
    state = await runs.state(gate, where, definition)
    return shapes.output(row, story, definition, state)


@router.get("/agents/{agent_id}/runs/{run_id}")
async def poll(
    agent_id: PathId, run_id: RunId, gate: Gate, session_id: IfMeant = None
) -> dict[str, Any]:
    """A run as it stands, for clients that started it in the background."""
    definition = await definition_of(gate, agent_id)
    match await run_of(gate, agent_id, run_id, session_id=session_id):
        case InboxRow() as waiting:
            session_id = Where.of(waiting, run_id).session_id
            told = {"run_id": run_id, "agent_id": agent_id, "session_id": session_id}
            return {**told, "status": "PENDING"}
        case FoundRun() as found:
            return await _output(gate, found, definition)


@router.post("/agents/{agent_id}/runs/{run_id}/cancel")
async def cancel(agent_id: PathId, run_id: RunId, gate: Gate) -> dict[str, Any]:
    """200 also for a run that has ended, or is not known yet: then the wish is kept."""
    if await anothers(gate, agent_id, run_id):
        raise not_found("Run")
    with suppress(Problem):  # it has ended
        await send_cancel(gate, RunCancel(run_id=run_id), TENANT)
    return {}


@router.post(
    "/agents/{agent_id}/runs/{run_id}/continue", openapi_extra=described.CONTINUE_FORM,
    responses=described.RUN,
)  # fmt: skip
async def go_on(agent_id: PathId, run_id: RunId, request: Request, gate: Gate) -> Response:
    """Go on with a paused run: `tools` come back with `confirmed` true or false."""
    definition = await definition_of(gate, agent_id)
    async with read_form(request) as form:
        fields.CONTINUE.check(form)
        stream = forms.flag(form, "stream", default=True)
        events = forms.flag(form, "stream_events", default=True)
        background = forms.flag(form, "background", default=False)
        session_id, tools = forms.text(form, "session_id"), forms.text(form, "tools")
        by = forms.text(form, "user_id")
    if session_id is None:
        raise Problem("bad_input", "session_id is required for this action", field="session_id")
    found = await run_of(gate, agent_id, run_id, session_id=session_id)
    if isinstance(found, InboxRow) or found.standing != "paused":
        raise Problem("conflict", "the run is not paused", field="run_id")
    story = tell(run_id, await gate.reader.events(found.row.run_no))
    definition = await _pinned(gate, found) or definition
    answers = _answers(story, tools, by)
    for answer in answers:
        await send_answer(gate, answer, TENANT)
    answered = [one.requirement_id for one in answers]
    where = Where.of(found, run_id)
    if background and not stream:
        return _pending(where)
    if not stream:
        return await _answer(gate, where, definition, request, after=story.seq, answered=answered)
    teller = AgentTeller(
        definition, run_id=run_id, session_id=where.session_id, after=story.seq, indexed=True,
        events=events,
    )  # fmt: skip
    first = teller.continued(int(gate.clock().timestamp()))
    return Stream(runs.frames(gate, where, teller, first, answered))


# That client knows one question: of a call in doubt it asks whether it was made.
YES: Mapping[str, Literal["approve", "done"]] = {"confirmation": "approve", "in_doubt": "done"}


def _answers(story: Story, tools: str | None, by: str | None) -> list[RequirementResolve]:
    """One for each call that waits. Of one that waits for a confirmation, `tool_args` that were
    changed replace the model's; of one in doubt, `result` is what it has returned."""
    listed = forms.objects("tools", tools or "[]")
    said = {id: one for one in listed if isinstance(id := one.get("tool_call_id"), str)}
    answers: list[RequirementResolve] = []
    for open in story.requirements():
        call = open.tool_call
        tool: dict[str, Any] = said.get(call.id, {}) if call else {}
        if not isinstance(tool.get("confirmed"), bool):
            raise BadInput(f"tools: confirm or reject {open.id[:MAX_ID]}", field="tools")
        told: dict[str, Any] = {
            "type": "requirement.resolve.v1", "run_id": story.run_id, "requirement_id": open.id,
            "decision": YES[open.kind] if tool["confirmed"] else "reject", "by": by,
            "digest": call.digest if call else None, "note": tool.get("confirmation_note"),
        }  # fmt: skip
        if open.kind == "in_doubt":
            told["result"] = tool.get("result") if tool["confirmed"] else None
        elif call is not None:
            shown = shapes.tool(story.tools[call.id])["tool_args"]
            changed = tool.get("tool_args", shown)
            told["arguments"] = None if changed == shown else changed
        answer = decode(orjson.dumps(without_none(told)), {}).message
        assert isinstance(answer, RequirementResolve)
        answers.append(answer)
    return answers


@router.get("/")
async def root() -> dict[str, str]:
    """Where to look on."""
    return {"name": "Actalog", "health": "/health", "info": "/info", "docs": "/openapi.json"}


@router.get("/info")
async def info(gate: Gate) -> dict[str, Any]:
    """Counts, and how to authenticate."""
    return {
        "os_id": "actalog", "name": "Actalog", "os_version": "0.1.0", "agno_version": "3.1.10",
        "agent_count": len(await _deployed(gate)), "team_count": 0, "workflow_count": 0,
        "mcp": {"enabled": False}, "auth_mode": "none", "user_isolation": False,
        "instance": str(uuid.uuid5(uuid.NAMESPACE_OID, gate.started_at.isoformat())),
    }  # fmt: skip
