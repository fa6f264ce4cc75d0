"""Runs in one line each: who, where, how they stand, when something last happened."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from actalog_contracts.runs import ENDINGS
from actalog_core.clock import parse_time
from actalog_core.errors import OptionWrong, SettingMissing, Tampered
from actalog_log.ports import FoundRun, RunLog, Standing, StoredEvent

PAGE = 100  # runs that are read together
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
STANDINGS: dict[str, Standing] = {"active": "active", "waiting": "waiting", "paused": "paused"}
STATUSES = (*STANDINGS, "completed", "failed", "blocked", "cancelled")


class UnknownRun(SettingMissing):
    """There is no such run:"""


@dataclass(frozen=True, slots=True)
class Summary:
    run_id: str
    session_id: str
    turn: int | None
    target: str
    status: str
    events: int
    accepted_at: datetime
    last_event_at: datetime
    user_id: str | None = None
    parent_run_id: str | None = None
    standing: Standing | None = None
    tampered: str | None = None  # what does not follow, where the log was changed


async def summary(log: RunLog, found: FoundRun) -> Summary:
    """How a run stands; `tampered` where its log was changed, so that it hides no other."""
    row, changed = found.row, None
    at, status = row.accepted_at, "tampered"
    try:
        last, kind = await _last(log, found)
        at = last.recorded_at
        status = kind.removeprefix("run.").removesuffix(".v1")
    except Tampered as error:
        changed = str(error)
    return Summary(
        run_id=row.run_id, session_id=row.session_id, turn=row.turn, target=row.target,
        status=status if changed or found.standing == "ended" else found.standing,
        events=found.head.seq, accepted_at=row.accepted_at, last_event_at=at,
        user_id=row.user_id, parent_run_id=row.parent_run_id, standing=found.standing,
        tampered=changed,
    )  # fmt: skip


async def _last(log: RunLog, found: FoundRun) -> tuple[StoredEvent, str]:
    """(the last event, what ended the run). Calls that were settled late follow its end."""
    run_no, seq = found.row.run_no, max(0, found.head.seq - 1)
    (last,) = await log.read(run_no, after=seq, upto=seq + 1)
    kind = last.type
    while found.standing == "ended" and kind not in ENDINGS and seq > 0:
        seq -= 1
        kind = (await log.read(run_no, after=seq, upto=seq + 1))[0].type
    return last, kind


async def newest(
    log: RunLog, tenant: str, *, status: str | None = None, session: str | None = None,
    before: datetime | None = None,
) -> AsyncGenerator[Summary]:  # fmt: skip
    """Runs, the newest first; `before`: those in which nothing happened since. Nobody knows how
    one ended whose log was changed: it is among those of each status that it may have."""
    before_no: int | None = None
    while True:
        page = await log.list_runs(
            tenant, session_id=session, standing=_standing(status), limit=PAGE,
            before_run_no=before_no,
        )  # fmt: skip
        for one in await asyncio.gather(*(summary(log, found) for found in page)):
            meant = one.tampered or status in (None, one.status)
            if meant and (before is None or one.last_event_at < before):
                yield one
        if len(page) < PAGE:
            return
        before_no = page[-1].row.run_no


def _standing(status: str | None) -> Standing | None:
    return None if status is None else STANDINGS.get(status, "ended")


async def find(log: RunLog, tenant: str, run_id: str) -> FoundRun:
    """The run of that id.

    Raises:
        UnknownRun: the tenant has none.
    """
    found = await log.find_run(tenant, run_id)
    if found is None:
        raise UnknownRun(f"{run_id} (tenant {tenant}). `actalog runs` shows those that are there.")
    return found


def moment(text: str, now: datetime) -> datetime:
    """`10m`, `2h`, `1d` ago, or an RFC 3339 time, as --older-than has it.

    Raises:
        OptionWrong: it is neither.
    """
    try:
        if text[:-1].isdecimal() and text[-1] in UNITS:
            return now - timedelta(**{UNITS[text[-1]]: int(text[:-1])})
        return parse_time(text)
    except (ValueError, OverflowError) as error:
        raise OptionWrong(
            f"--older-than {text!r}: write 30s, 10m, 2h, 1d or an RFC 3339 time."
        ) from error


async def every(
    log: RunLog, tenant: str, wanted: Sequence[FoundRun] = ()
) -> AsyncIterator[FoundRun]:
    """The wanted runs, or all of a tenant, children too, the newest first."""
    for found in wanted:
        yield found
    before: int | None = None
    while not wanted:
        page = await log.list_runs(tenant, limit=200, before_run_no=before)
        for found in page:
            yield found
        if len(page) < 200:
            return
        before = page[-1].row.run_no
