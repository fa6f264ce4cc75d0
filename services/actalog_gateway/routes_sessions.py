"""AgentOS's sessions: what agent-ui shows as history."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from actalog_core.clock import rfc3339
from actalog_gateway import agentos_shapes as shapes
from actalog_gateway.agentos_found import TENANT
from actalog_gateway.gateway import Gate, Gateway, PathId, QueryId
from actalog_gateway.problems import Problem
from actalog_gateway.story import Story, tell
from actalog_log.ports import FoundRun

router = APIRouter(tags=["AgentOS"])

COUNTED_MOST = 1_000
NAME_LENGTH = 60
Page = Annotated[int, Query(ge=1, le=10_000)]
PageLimit = Annotated[int, Query(ge=1, le=200)]


@router.get("/sessions")
async def sessions(
    gate: Gate, type: QueryId = None, component_id: QueryId = None, user_id: QueryId = None,
    limit: PageLimit = 20, page: Page = 1,
) -> dict[str, Any]:  # fmt: skip
    """Sessions, the newest first."""
    found: list[Any] = []
    if type in (None, "agent"):
        target = f"agent:{component_id}" if component_id else None
        found = list(
            await gate.log.list_sessions(
                TENANT, user_id=user_id, target=target, limit=max(COUNTED_MOST, page * limit)
            )
        )
    shown = found[(page - 1) * limit : page * limit]
    meta = {
        "page": page, "limit": limit, "total_pages": -(-len(found) // limit),
        "total_count": len(found), "search_time_ms": 0,
    }  # fmt: skip
    return {"data": [await _session(gate, *one) for one in shown], "meta": meta}


async def _session(
    gate: Gateway, session_id: str, first: Any, last: Any, user_id: str | None, target: str
) -> dict[str, Any]:
    runs = await gate.log.session_runs(TENANT, session_id, before_turn=2, limit=1)
    name = await _name(gate, runs[0]) if runs else None
    return {
        "session_id": session_id, "session_name": name or session_id, "session_type": "agent",
        "user_id": user_id, "agent_id": target.partition(":")[2], "session_state": {},
        "created_at": shapes.iso(rfc3339(first)), "updated_at": shapes.iso(rfc3339(last)),
    }  # fmt: skip


async def _name(gate: Gateway, found: FoundRun) -> str | None:
    """The beginning of what was asked first."""
    story = tell(found.row.run_id, await gate.reader.events(found.row.run_no))
    return story.input[:NAME_LENGTH] if story.input else None


@router.get("/sessions/{session_id}/runs")
async def runs(session_id: PathId, gate: Gate, user_id: QueryId = None) -> list[dict[str, Any]]:
    """A session's runs in their order: an array, which agent-ui insists on."""
    found = await gate.log.session_runs(TENANT, session_id, limit=200)
    mine = [one for one in found if user_id is None or one.row.user_id == user_id]
    if not mine:
        raise Problem("not_found", f"Session with id '{session_id}' not found", field="session_id")
    return [await _run(gate, one) for one in reversed(mine)]


async def _run(gate: Gateway, found: FoundRun) -> dict[str, Any]:
    row = found.row
    story: Story = tell(row.run_id, await gate.reader.events(row.run_no))
    said, _ = shapes.content(story)
    return {
        "run_id": row.run_id, "agent_id": row.target.partition(":")[2], "user_id": row.user_id,
        "status": shapes.STATUS[story.status], "run_input": story.input, "content": said,
        "run_response_format": "json" if isinstance(said, dict) else "text",
        "metrics": story.usage.model_dump(mode="json", include={
            "input_tokens", "output_tokens", "total_tokens"}),
        "messages": shapes.messages(row, story),
        "tools": [shapes.tool(one) for one in story.tools.values()],
        "created_at": shapes.iso(rfc3339(row.accepted_at)), "events": [],
    }  # fmt: skip
