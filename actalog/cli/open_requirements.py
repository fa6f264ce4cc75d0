"""What a paused run waits for, from its log."""

from collections.abc import Sequence

from actalog_contracts.runs import (
    RequirementResolved,
    RunAccepted,
    RunPaused,
    ToolCalled,
    ToolFailed,
    ToolReturned,
)
from actalog_contracts.tasks import Requirement, RequirementCall
from actalog_core.errors import Tampered
from actalog_core.events import decode
from actalog_core.foreign import read_or_text
from actalog_log.ports import FoundRun, RunLog


async def every(log: RunLog, tenant: str) -> tuple[Sequence[Requirement], dict[str, str]]:
    """Of all paused runs of a tenant, the newest run first; what is wrong with each whose log was
    changed, which hides no other."""
    told: list[Requirement] = []
    changed: dict[str, str] = {}
    before: int | None = None
    while True:
        page = await log.list_runs(tenant, standing="paused", limit=100, before_run_no=before)
        for found in page:
            try:
                told += await of_run(log, found)
            except Tampered as error:
                changed[found.row.run_id] = str(error)
        if len(page) < 100:
            return told, changed
        before = page[-1].row.run_no


async def of_run(log: RunLog, found: FoundRun) -> Sequence[Requirement]:
    """Of one run: raised and not resolved."""
    called: dict[str, ToolCalled] = {}
    open_now: dict[str, Requirement] = {}
    until: str | None = None
    for stored in await log.read(found.row.run_no):
        match decode(stored.type, stored.payload):
            case RunAccepted(deadline=until):
                pass
            case ToolCalled() as event:
                called[event.call_id] = event
            case RunPaused(requirements=raised):
                for one in raised:
                    call = called.get(one.call_id)
                    open_now[one.id] = Requirement(
                        id=one.id, run_id=found.row.run_id, kind=one.kind,
                        tool_call=None if call is None else _call(call), expires_at=until,
                    )  # fmt: skip
            case RequirementResolved(requirement_id=resolved):
                open_now.pop(resolved, None)
            case ToolReturned() | ToolFailed() as event:  # a late outcome settles a doubt
                for one in [id for id in open_now if id.rpartition(":")[0] == event.call_id]:
                    open_now.pop(one)
            case _:
                pass
    return list(open_now.values()) if found.standing == "paused" else []


def _call(event: ToolCalled) -> RequirementCall:
    return RequirementCall(
        id=event.call_id, name=event.name, arguments=read_or_text(event.arguments or "{}"),
        digest=event.arguments_digest,
    )  # fmt: skip
