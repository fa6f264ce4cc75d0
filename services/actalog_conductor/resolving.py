"""A person's answer to a requirement: it settles it once, and who comes too late hears what stands."""

from dataclasses import dataclass

import orjson

from actalog_conductor import acting, calls
from actalog_conductor.agent_states import Finished, NotStarted
from actalog_conductor.heard import Resolve, TimeIs
from actalog_conductor.hearing import Hearing
from actalog_conductor.live import Live
from actalog_conductor.refused import Refused
from actalog_contracts.runs import (
    RequirementResolved,
    RunBlocked,
    RunCancelled,
    RunCompleted,
    RunEvent,
    RunFailed,
    ToolCalled,
    ToolFailed,
    ToolInDoubt,
    ToolReturned,
)
from actalog_contracts.tasks import RequirementResolve
from actalog_core import events
from actalog_core.clock import rfc3339
from actalog_log.ports import FoundRun, RunLog


@dataclass
class Resolving:
    """Lets runs hear answers."""

    log: RunLog
    hearing: Hearing

    async def resolve(self, answer: RequirementResolve, *, cause: str, by: str | None) -> None:
        """An answer of the message `cause`, which `by` gave.

        Raises:
            Refused: it does not settle the requirement, or something else did.
        """
        found = await self.log.find_run(answer.tenant_id or "default", answer.run_id)
        if found is None:
            raise Refused("unknown_run", "there is no such run", field="run_id")
        arguments = None if answer.arguments is None else orjson.dumps(answer.arguments).decode()
        if arguments is not None and calls.size(arguments) > calls.MOST_ARGUMENTS:
            said = f"a call's arguments have at most {calls.MOST_ARGUMENTS} bytes"
            raise Refused("too_large", said, field="arguments", run_id=answer.run_id)
        heard = Resolve(
            answer.requirement_id, answer.decision, digest=answer.digest, note=answer.note,
            by=by, arguments=arguments, result=_result(answer),
        )  # fmt: skip
        live = await self.hearing.runs.rebuild(found)
        if rfc3339(now := self.hearing.sure()) >= _deadline(live):
            # Nobody needs to have looked yet: what comes after the deadline comes too late.
            live = await self.hearing.hear(found.row.run_no, TimeIs(rfc3339(now)))
        try:
            _check(live, heard, found)
        except Refused as refused:
            if refused.code not in ("already_resolved", "expired"):
                raise
            await self.hearing.teller.again(live)
            return await self._too_late(live, heard, refused, cause=cause)
        live = await self.hearing.hear(found.row.run_no, heard, causation=cause)
        try:
            _check(live, heard, found)
        except Refused as refused:  # it is settled: by this answer, or by what was a moment earlier
            return await self._too_late(live, heard, refused, cause=cause)

    async def _too_late(self, live: Live, heard: Resolve, refused: Refused, *, cause: str) -> None:
        """Answered: by this very message, whose first hearing may have died before it told
        what followed (protocol 4.4), or by another one, which is the winner."""
        raised = False
        for stored in await self.log.read(live.row.run_no):
            event = events.decode(stored.type, stored.payload)
            raised = raised or heard.requirement_id == _raises(event)
            if not raised or not _settles(event, heard.requirement_id):
                continue
            answered = isinstance(event, RequirementResolved) and _same(event, heard)
            if answered and stored.causation_id == cause:
                return
            refused.winner = f"{live.row.run_id}:{stored.seq}"
            break
        if not raised:
            said = "the run has no such requirement"
            raise Refused(
                "bad_input", said, field="requirement_id", run_id=live.row.run_id
            ) from None
        raise refused


def _check(live: Live, heard: Resolve, found: FoundRun) -> None:
    run_id = found.row.run_id
    if live.row.kind != "agent":
        raise Refused("not_allowed", "nothing is asked in such a run", run_id=run_id)
    match acting.refusal(live.state, heard):  # pyright: ignore[reportArgumentType]
        case None:
            return
        case "digest_mismatch":
            said = "the arguments are not those that the person saw"
            raise Refused("digest_mismatch", said, field="digest", run_id=run_id)
        case "not_allowed":
            said = (
                "a confirmation is answered by approve or reject,"
                " a call in doubt by done, not_done or reject"
            )
            raise Refused("not_allowed", said, field="decision", run_id=run_id)
        case "expired":
            said = "the run's deadline has passed"
            raise Refused("expired", said, run_id=run_id, winner=f"{run_id}:{live.told_seq}")
        case _:
            raise Refused(
                "already_resolved", "no such requirement is open", field="requirement_id",
                run_id=run_id, winner=f"{run_id}:{live.told_seq}",
            )  # fmt: skip


def _deadline(live: Live) -> str:
    """Until when anything may be answered (RFC 3339); after every time where the run has ended."""
    state = live.state
    return "~" if isinstance(state, Finished | NotStarted) else state.facts.accepted.deadline


def _raises(event: RunEvent) -> str | None:
    """The requirement that an event raises."""
    match event:
        case ToolCalled(requires_confirmation=True):
            return calls.requirement(event.call_id)
        case ToolInDoubt():
            return calls.doubt(event.call_id, event.epoch)
        case _:
            return None


def _settles(event: RunEvent, requirement_id: str) -> bool:
    """Whether an event, behind the one that raised it, settles a requirement."""
    match event:
        case RequirementResolved():
            return event.requirement_id == requirement_id
        case ToolReturned() | ToolFailed():
            return event.call_id == calls.of_requirement(requirement_id)
        case RunCompleted() | RunFailed() | RunBlocked() | RunCancelled():
            return True
        case _:
            return False


def _same(event: RequirementResolved, heard: Resolve) -> bool:
    told = (heard.decision, heard.arguments, heard.result, heard.note, heard.by)
    return (event.decision, event.arguments, event.result, event.note, event.by) == told


def _result(answer: RequirementResolve) -> str | None:
    """What a call in doubt is taken to have returned: text as it is, everything else as JSON."""
    if answer.result is None or isinstance(answer.result, str):
        return answer.result
    return orjson.dumps(answer.result).decode()
