"""`GET /v1/runs/{run_id}/events`: a run as it happens."""

import random
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response

from actalog_contracts.tasks import RefusalError
from actalog_core import crashpoints, metrics
from actalog_gateway import described
from actalog_gateway.feeds import Dropped, Feed
from actalog_gateway.follow import Hub, Refused
from actalog_gateway.gateway import Gate, RunId, Tenant
from actalog_gateway.problems import Problem
from actalog_gateway.reader import Where
from actalog_gateway.sse import Ids, Stream, data_frame
from actalog_gateway.told import Teller
from actalog_log.beside_ports import InboxRow
from actalog_log.ports import FoundRun, RunRow

router = APIRouter(prefix="/v1", tags=["runs"], responses=described.ERRORS)

RETRY_MS = (500, 2_500)  # clients of a gateway that went away come back one after the other
# Events before the last one that a client has, read once more: a delta that is older than the
# answer among them is known for old.
OVERLAP = 256


@router.get(
    "/runs/{run_id}/events",
    response_class=Response,
    responses=described.EVENTS,
)
async def events(
    run_id: RunId, gate: Gate, tenant: Tenant = "default", deltas: bool = True,
    after: Annotated[str | None, Query(max_length=100)] = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:  # fmt: skip
    """Server-sent events: whole events with an `id`, deltas without, until the run has ended.

    After `Last-Event-ID` of the last event of an ended run there is nothing more: 204, by which
    browsers know to come back no more.
    """
    accepted = await gate.reader.accepted(tenant, run_id)
    ids = await gate.ids(tenant, run_id)
    try:
        seq = _after(ids, last_event_id or after)
        over = seq > 0 and _nothing_more(accepted, seq)
    except Problem as problem:
        problem.field = "Last-Event-ID" if last_event_id else "after"
        raise
    if over:
        return Response(status_code=204)
    row = accepted.row if isinstance(accepted, FoundRun) else None
    where = Where.of(accepted, run_id)
    teller = Teller(ids, run_id, after=seq, deltas=deltas)
    return Stream(_frames(gate.hub, where, teller, row, begin=_begin(accepted, seq)))


def _after(ids: Ids, text: str | None) -> int:
    """`after` may be a plain seq, too."""
    if not text:
        return 0
    return int(text) if text.isdecimal() and len(text) < 10 else ids.seq(text)


def _nothing_more(accepted: FoundRun | InboxRow, seq: int) -> bool:
    if isinstance(accepted, InboxRow) or seq > accepted.head.seq:
        raise Problem("not_found", "the run has no such event yet")
    return accepted.standing == "ended" and seq == accepted.head.seq


def _begin(accepted: FoundRun | InboxRow, seq: int) -> int:
    """Behind which event the log is read. Of an ended run all is: the end may lie far before what
    came late."""
    ended = isinstance(accepted, FoundRun) and accepted.standing == "ended"
    return 0 if ended else max(0, seq - OVERLAP)


async def _frames(
    hub: Hub, where: Where, teller: Teller, row: RunRow | None, *, begin: int
) -> AsyncGenerator[bytes, None]:
    """The first line comes at once, so that a client knows that it is connected. It is a frame with
    the event that follows: by itself, some clients take it for an event without data."""
    yield f"retry: {random.randint(*RETRY_MS)}\n".encode()
    with hub.feed(where, Feed(deltas=teller.deltas)) as feed:
        async with aclosing(hub.story(where, feed, row, after=begin)) as story:
            row = None  # the client may wait for hours
            try:
                async for item in story:
                    for frame in teller.tell(item):
                        yield frame
                        del frame  # it may be large, and the next may be hours away
                        if crashpoints.armed:
                            crashpoints.reach("gateway.streaming")
                    del item
            except Dropped:
                metrics.SSE_DROPPED.inc()
                yield b": dropped, reading was too slow; come back with the last id\n\n"
            except Refused as refused:
                yield refusal(where.run_id, refused)


def refusal(run_id: str, refused: Refused) -> bytes:
    """As on `actalog.results`, where the reason stands, too."""
    error = RefusalError(code="unknown_run", message=refused.message, field="run_id")
    said = {"type": "message.refused.v1", "refused_type": "task.submit.v1", "run_id": run_id}
    return data_frame("message.refused.v1", {**said, "error": error.model_dump()})
