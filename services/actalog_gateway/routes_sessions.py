"""AgentOS's sessions: what agent-ui and Agno's own client show as history."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Query
from pydantic import BeforeValidator

from actalog_contracts.base import MAX_ID, NO_CONTROLS
from actalog_contracts.strict_json import MAX_INTEGER
from actalog_core.clock import rfc3339
from actalog_core.errors import Tampered
from actalog_gateway import agentos_shapes as shapes
from actalog_gateway import described
from actalog_gateway.agentos_found import TENANT
from actalog_gateway.gateway import Gate, Gateway, IfMeant, PathId, RunId
from actalog_gateway.problems import Problem, not_found
from actalog_gateway.reader import TOGETHER
from actalog_gateway.story import Story, tell
from actalog_log.beside_ports import FoundSession
from actalog_log.ports import FoundRun

router = APIRouter(tags=["AgentOS"], responses=described.ERRORS)

RUNS_MOST = 1_000  # of one session in one answer, the newest
NAME_LENGTH = 60
PREVIEW_LENGTH = 200
BEGINNING = 8  # events: what was asked stands among the first
_EMPTY = BeforeValidator(lambda said: None if said in ("", [""]) else said)
Page = Annotated[int, Query(ge=1, le=10_000)]
PageLimit = Annotated[int, Query(ge=1, le=1_000)]
Kind = Annotated[Literal["agent", "team", "workflow"] | None, _EMPTY]
Order = Annotated[Literal["asc", "desc"] | None, _EMPTY]
Statuses = Annotated[list[str] | None, Query(max_length=20), _EMPTY]
SessionId = Annotated[str, Query(min_length=1, max_length=MAX_ID, pattern=NO_CONTROLS)]
EpochTime = Annotated[int | None, Query(ge=-MAX_INTEGER, le=MAX_INTEGER)]


@router.get("/sessions", responses=described.LATER)
async def sessions(
    gate: Gate, type: Kind = None, component_id: IfMeant = None, user_id: IfMeant = None,
    session_name: IfMeant = None, limit: PageLimit = 20, page: Page = 1,
    sort_by: IfMeant = None, sort_order: Order = None,
) -> dict[str, Any]:  # fmt: skip
    """Sessions by when they were begun (`sort_by=updated_at`: by their last run), the newest
    first unless `sort_order=asc`."""
    if session_name:
        said = "looking for sessions by their name: not supported by this version"
        raise Problem("not_supported", said, field="session_name")
    found: Sequence[FoundSession] = ()
    total = 0
    if type in (None, "agent"):
        target = f"agent:{component_id}" if component_id else None
        found, total = await asyncio.gather(
            gate.log.list_sessions(
                TENANT, user_id=user_id, target=target,
                by="last" if sort_by == "updated_at" else "first", ascending=sort_order == "asc",
                limit=limit, offset=(page - 1) * limit,
            ),
            gate.log.count_sessions(TENANT, user_id=user_id, target=target),
        )  # fmt: skip
    meta = {
        "page": page, "limit": limit, "total_pages": -(-total // limit), "total_count": total,
        "search_time_ms": 0,
    }  # fmt: skip
    shown: list[dict[str, Any]] = []
    for at in range(0, len(found), TOGETHER):
        shown += await asyncio.gather(*(_listed(gate, one) for one in found[at : at + TOGETHER]))
    return {"data": shown, "meta": meta}


async def _listed(gate: Gateway, one: FoundSession) -> dict[str, Any]:
    runs = await gate.log.session_runs(TENANT, one.session_id, before_turn=2, limit=1)
    name = await _name(gate, runs[0]) if runs else None
    return {
        "session_id": one.session_id, "session_name": name or one.session_id,
        "session_type": "agent", "user_id": one.user_id,
        "agent_id": one.target.partition(":")[2], "session_state": {},
        "created_at": shapes.iso(rfc3339(one.first)), "updated_at": shapes.iso(rfc3339(one.last)),
    }  # fmt: skip


async def _name(gate: Gateway, first: FoundRun) -> str | None:
    """The beginning of what was asked first."""
    try:
        story = tell(first.row.run_id, await gate.reader.events(first.row.run_no, upto=BEGINNING))
    except Tampered:
        return None
    return story.input[:NAME_LENGTH] if story.input else None


@router.get("/sessions/{session_id}")
async def session(
    session_id: PathId, gate: Gate, type: Kind = None, user_id: IfMeant = None
) -> dict[str, Any]:
    """A session: its state, what it cost, its conversation."""
    found = await _runs(gate, session_id, user_id)
    begun = await gate.log.session_runs(TENANT, session_id, before_turn=2, limit=1)
    first = begun[0] if begun else found[0]
    definition = await gate.reader.definition(found[-1].row.definition)
    state, _ = await gate.reader.session_state(TENANT, session_id, definition)
    stories = await gate.reader.stories(found)
    tokens = shapes.tokens([story.usage for story in stories])
    return {
        "user_id": first.row.user_id, "agent_session_id": session_id, "session_id": session_id,
        "session_name": await _name(gate, first) or session_id, "session_state": state,
        "agent_id": first.row.target.partition(":")[2], "metrics": tokens,
        "total_tokens": tokens["total_tokens"],
        "chat_history": [
            said
            for one, story in zip(found, stories, strict=True)
            for said in shapes.messages(one.row, story)
        ],
        "created_at": shapes.iso(rfc3339(first.row.accepted_at)),
        "updated_at": shapes.iso(rfc3339(found[-1].row.accepted_at)),
    }  # fmt: skip


@router.get("/sessions/{session_id}/runs")
async def runs(
    session_id: PathId, gate: Gate, type: Kind = None, user_id: IfMeant = None,
    created_after: EpochTime = None, created_before: EpochTime = None, status: Statuses = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """A session's newest runs in their order: an array, which agent-ui insists on."""
    found = await _runs(gate, session_id, user_id)
    return await _told(gate, _between(found, created_after, created_before), status)


@router.get("/sessions/{session_id}/run-previews")
async def previews(
    session_id: PathId, gate: Gate, type: Kind = None, user_id: IfMeant = None,
    created_after: EpochTime = None, created_before: EpochTime = None, status: Statuses = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """The same runs in a few words each."""
    found = await _runs(gate, session_id, user_id)
    told = await _told(gate, _between(found, created_after, created_before), status)
    same = ("run_id", "agent_id", "user_id", "status", "created_at")
    return [
        {**{name: one[name] for name in same}, "run_input": _short(one["run_input"]),
         "content_preview": _short(one["content"])}
        for one in told
    ]  # fmt: skip


@router.get("/sessions/{session_id}/runs/{run_id}")
async def run(
    session_id: PathId, run_id: RunId, gate: Gate, type: Kind = None, user_id: IfMeant = None
) -> dict[str, Any]:
    """One run of a session."""
    found = await gate.log.find_run(TENANT, run_id)
    mine = found is not None and user_id in (None, found.row.user_id)
    if found is None or found.row.session_id != session_id or found.row.turn is None or not mine:
        said = f"Run with ID {run_id} not found in session {session_id}"
        raise Problem("not_found", said, field="run_id")
    return _run(found, *await gate.reader.stories([found]))


@router.get("/agents/{agent_id}/runs")
async def agents_runs(
    agent_id: PathId, session_id: SessionId, gate: Gate, status: Statuses = None
) -> list[dict[str, Any]]:
    """An agent's runs in a session."""
    if await gate.acceptance.deployed.agent(agent_id) is None:
        raise not_found("Agent")
    found = await gate.log.session_runs(TENANT, session_id, limit=RUNS_MOST)
    mine = [one for one in reversed(found) if one.row.target == f"agent:{agent_id}"]
    if not found:
        raise not_found("Session")
    return await _told(gate, mine, status)


async def _runs(gate: Gateway, session_id: str, user_id: str | None) -> list[FoundRun]:
    """In their order."""
    found = await gate.log.session_runs(TENANT, session_id, limit=RUNS_MOST)
    mine = [one for one in reversed(found) if user_id in (None, one.row.user_id)]
    if not mine:
        raise Problem("not_found", f"Session with id '{session_id}' not found", field="session_id")
    return mine


def _between(found: list[FoundRun], after: int | None, before: int | None) -> list[FoundRun]:
    """Those that were accepted in that time: whole seconds, both included."""
    at = [(int(one.row.accepted_at.timestamp()), one) for one in found]
    return [
        one for when, one in at
        if (after is None or when >= after) and (before is None or when <= before)
    ]  # fmt: skip


async def _told(
    gate: Gateway, found: list[FoundRun], statuses: list[str] | None
) -> list[dict[str, Any]]:
    stories = await gate.reader.stories(found)
    told = [_run(one, story) for one, story in zip(found, stories, strict=True)]
    wanted = {one.upper() for one in statuses or ()}
    return [one for one in told if not wanted or one["status"] in wanted]


def _run(found: FoundRun, story: Story) -> dict[str, Any]:
    row = found.row
    said, _ = shapes.content(story)
    return {
        "run_id": row.run_id, "agent_id": row.target.partition(":")[2], "user_id": row.user_id,
        "status": shapes.STATUS[story.status], "run_input": story.input, "content": said,
        "run_response_format": "json" if isinstance(said, dict) else "text",
        "reasoning_content": story.reasoning, "metrics": shapes.tokens([story.usage]),
        "metadata": shapes.metadata(story), "messages": shapes.messages(row, story),
        "tools": [shapes.tool(one) for one in story.tools.values()],
        "created_at": shapes.iso(rfc3339(row.accepted_at)), "events": [],
    }  # fmt: skip


def _short(said: Any) -> str | None:
    text = said if isinstance(said, str) else orjson.dumps(said).decode()
    return text[:PREVIEW_LENGTH] if said is not None else None
