"""Runs and sessions, rebuilt from the log."""

import asyncio
import re
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from actalog_contracts.runs import ENDINGS
from actalog_contracts.strict_json import MAX_INTEGER
from actalog_core.clock import parse_time, rfc3339
from actalog_core.errors import Tampered
from actalog_gateway import described
from actalog_gateway.gateway import Gate, Gateway, Limit, PathId, QueryId, RunId, Tenant
from actalog_gateway.problems import Problem
from actalog_gateway.reader import published, unknown_run
from actalog_gateway.story import Story, loads, tell
from actalog_log.beside_ports import InboxRow
from actalog_log.ports import FoundRun, Standing

router = APIRouter(prefix="/v1", tags=["runs"], responses=described.ERRORS)

Status = Literal[
    "running", "active", "waiting", "paused", "completed", "failed", "blocked", "cancelled"
]  # fmt: skip
SCANNED_MOST = 1_000  # rows of one request; the page's `next` goes on from there
SUMMARIES_MOST = 20
STANDING: dict[str, Standing] = {
    "running": "active", "active": "active", "waiting": "waiting", "paused": "paused",
}  # fmt: skip


@router.get("/runs")
async def runs(
    gate: Gate, tenant: Tenant = "default", status: Status | None = None,
    session_id: QueryId = None, older_than: QueryId = None, limit: Limit = 50,
    before: Annotated[int | None, Query(ge=1, le=MAX_INTEGER)] = None,
) -> dict[str, Any]:  # fmt: skip
    """Runs, the newest first. `next` is the `before` of the next page, null on the last.

    `status`: running (or active), waiting, paused, completed, failed, blocked or cancelled.
    `older_than`: nothing happened since, so long ago (10m, 2h, 1d) or at a time.
    A run whose log was changed has the status tampered and says in `tampered` what does not
    follow; nobody knows how it ended, so it is under every status that it may have.
    """
    until = _moment(older_than, gate.clock()) if older_than else None
    wanted = "running" if status == "active" else status
    standing: Standing | None = STANDING.get(status, "ended") if status else None
    told: list[dict[str, Any]] = []
    scanned, at = 0, before
    while scanned < SCANNED_MOST and len(told) < limit:
        found = await gate.log.list_runs(
            tenant, session_id=session_id, standing=standing, limit=limit, before_run_no=at
        )
        summaries = await asyncio.gather(*(_summary(gate, one, until) for one in found))
        for one, said in zip(found, summaries, strict=True):
            at = one.row.run_no
            if said is not None and (said["tampered"] or wanted in (None, said["status"])):
                told.append(said)
            if len(told) == limit:
                break
        scanned += len(found)
        if len(found) < limit and len(told) < limit:
            return {"runs": told, "next": None}
    return {"runs": told, "next": at}


async def _summary(gate: Gateway, found: FoundRun, until: datetime | None) -> dict[str, Any] | None:
    """How a run stands; None where something happened in it at `until` or later."""
    row, changed = found.row, None
    if until is not None and row.accepted_at >= until:
        return None
    try:
        at, status = await _standing(gate, found)
    except Tampered as error:
        at, status, changed = row.accepted_at, "tampered", str(error)
    if until is not None and at >= until:
        return None
    return {
        "run_id": row.run_id, "session_id": row.session_id, "user_id": row.user_id,
        "target": row.target, "kind": row.kind, "parent_run_id": row.parent_run_id,
        "status": status, "standing": found.standing, "turn": row.turn, "events": found.head.seq,
        "accepted_at": rfc3339(row.accepted_at), "last_event_at": rfc3339(at),
        "tampered": changed,
    }  # fmt: skip


async def _standing(gate: Gateway, found: FoundRun) -> tuple[datetime, str]:
    """When something last happened in a run, and its status."""
    row = found.row
    last = await gate.log.read(
        row.run_no, after=max(0, found.head.seq - 1), upto=found.head.seq
    )  # to its head: such questions go together
    at = last[-1].recorded_at if last else row.accepted_at
    if found.standing != "ended":
        return at, {"active": "running"}.get(found.standing, found.standing)
    if not last or last[-1].type not in ENDINGS:  # calls that were settled late follow it
        last = [one for one in await gate.log.read(row.run_no) if one.type in ENDINGS]
    return at, last[-1].type.removeprefix("run.").removesuffix(".v1") if last else "ended"


@router.get("/runs/{run_id}")
async def run(
    run_id: RunId, gate: Gate, tenant: Tenant = "default",
    at: Annotated[int | None, Query(ge=1, le=MAX_INTEGER)] = None,
) -> dict[str, Any]:  # fmt: skip
    """A run's state, rebuilt from its events up to `at`."""
    match await gate.reader.accepted(tenant, run_id):
        case InboxRow() as waiting:
            return _waiting(waiting, run_id)
        case FoundRun() as found:
            if at is not None and at > found.head.seq:
                raise Problem("bad_input", f"the run has {found.head.seq} events", field="at")
            story = tell(run_id, await gate.reader.events(found.row.run_no, upto=at))
            return _state(found, story)


def _waiting(waiting: InboxRow, run_id: str) -> dict[str, Any]:
    task = loads(waiting.body.decode())
    return {
        "run_id": run_id, "session_id": task.get("session_id") or run_id,
        "user_id": task.get("user_id"), "tenant_id": waiting.tenant_id,
        "target": task.get("target"), "status": "accepted", "input": task.get("input"),
        "output": None, "truncated": False, "error": None, "messages": [], "tool_calls": [], "requirements": [],
        "usage": {}, "events": 0,
        "accepted_at": rfc3339(waiting.received_at) if waiting.received_at else None,
    }  # fmt: skip


def _state(found: FoundRun, story: Story) -> dict[str, Any]:
    row, accepted = found.row, story.accepted
    input = loads(story.input) if accepted and accepted.input_is_json else story.input
    return {
        "run_id": row.run_id, "session_id": row.session_id, "user_id": row.user_id,
        "tenant_id": row.tenant_id, "target": row.target, "kind": row.kind,
        "definition": row.definition, "parent_run_id": row.parent_run_id, "turn": row.turn,
        "status": story.status, "input": input, "output": story.output, "truncated": story.truncated,
        "error": story.error.model_dump(mode="json") if story.error else None,
        "messages": story.messages, "tool_calls": [one.told() for one in story.tools.values()],
        "requirements": [one.model_dump(mode="json") for one in story.requirements()],
        "usage": story.usage.model_dump(mode="json"), "events": story.seq,
        "metadata": loads(accepted.metadata) if accepted else {},
        "correlation_id": accepted.correlation_id if accepted else None,
        "context": story.context.model_dump(mode="json") if story.context else None,
        "accepted_at": rfc3339(row.accepted_at), "started_at": story.started_at,
        "finished_at": story.finished_at,
        "deadline": accepted.deadline if accepted else None,
    }  # fmt: skip


@router.get("/runs/{run_id}/log")
async def log(
    run_id: RunId, gate: Gate, tenant: Tenant = "default",
    after: Annotated[int, Query(ge=0, le=MAX_INTEGER)] = 0, limit: Limit = 200,
) -> dict[str, Any]:  # fmt: skip
    """A run's events as `actalog.events` has them. `next` is the `after` of the next page."""
    found = await gate.log.find_run(tenant, run_id)
    if found is None:
        if await gate.log.get_inbox(tenant, run_id) is None:
            raise unknown_run(run_id)
        return {"events": [], "next": None}
    stored = await gate.log.read(found.row.run_no, after=after, upto=after + limit)
    events = [published(found.row, one).model_dump(mode="json") for one in stored]
    more = bool(stored) and stored[-1].seq < found.head.seq
    return {"events": events, "next": stored[-1].seq if more else None}


@router.get("/sessions/{session_id}")
async def session(
    session_id: PathId, gate: Gate, tenant: Tenant = "default", limit: Limit = 50
) -> dict[str, Any]:
    """A session: its newest runs in the order of their turns, its state, its summary."""
    found = await gate.log.session_runs(tenant, session_id, limit=limit)
    if not found:
        raise Problem("not_found", f"there is no session {session_id!r}", field="session_id")
    definition = await gate.reader.definition(found[0].row.definition)
    now, version = await gate.reader.session_state(tenant, session_id, definition)
    told: list[dict[str, Any]] = []
    ordered = list(reversed(found))
    for one, story in zip(ordered, await gate.reader.stories(ordered), strict=True):
        state = _state(one, story)
        names = ("run_id", "turn", "target", "status", "input", "output", "error", "usage",
                 "events", "accepted_at", "finished_at")  # fmt: skip
        told.append({name: state[name] for name in names})
    return {
        "session_id": session_id, "tenant_id": tenant, "user_id": found[0].row.user_id,
        "runs": told, "turns": found[0].row.turn, "state": now, "state_version": version,
        "summary": await summary(gate, found),
    }  # fmt: skip


async def summary(gate: Gateway, found: "list[FoundRun] | Any") -> str | None:
    """The newest summary that remembering has made, among the newest runs."""
    for one in found[:SUMMARIES_MOST]:
        for child in await gate.log.children(one.row.run_no):
            (story,) = await gate.reader.stories([child])
            if story.summary is not None:
                return story.summary.summary
    return None


_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _moment(text: str, now: datetime) -> datetime:
    """`30s`, `5m`, `2h`, `1d` before now, or an RFC 3339 time."""
    try:
        if known := re.fullmatch(r"(\d{1,6})([smhd])", text):
            return now - timedelta(**{_UNITS[known[2]]: int(known[1])})
        return parse_time(text)
    except (ValueError, OverflowError) as error:
        said = "older_than: a time with zone, or a length such as 30s, 5m, 2h, 1d"
        raise Problem("bad_input", said, field="older_than") from error
