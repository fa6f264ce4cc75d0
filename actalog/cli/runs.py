"""`actalog runs`."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated

import typer

from actalog.cli.common import FINE, USAGE, WRONG, Json, Tenant, carry_out, complain

if TYPE_CHECKING:
    from actalog.cli.summaries import Summary

TITLES = ["run", "target", "session", "turn", "status", "events", "accepted", "last event"]


def runs(
    status: Annotated[str | None, typer.Option(help="active (or running), waiting, paused, "
                                               "completed, failed, blocked or cancelled.")] = None,
    session: Annotated[str | None, typer.Option(help="Only this session's.")] = None,
    stuck: Annotated[bool, typer.Option("--stuck", help="Unfinished, and nothing happened for a "
                                        "minute (or --older-than).")] = False,
    older_than: Annotated[str | None, typer.Option(help="Nothing happened since: 10m, 2h, 1d, or a "
                                                   "time.", metavar="T")] = None,
    limit: Annotated[int, typer.Option(help="At most that many.", metavar="N", min=1)] = 50,
    tenant: Tenant = "default",
    json: Json = False,
) -> None:  # fmt: skip
    """List runs, the newest first. One whose log was changed is marked, and the status is 1."""
    carry_out(_runs(status, session, stuck, older_than, limit, tenant, json))


async def _runs(
    status: str | None, session: str | None, stuck: bool, older_than: str | None, limit: int,
    tenant: str, json: bool,
) -> int:  # fmt: skip
    from actalog.cli.output import long_table, write_json_list
    from actalog.cli.reach import Reach, open_log
    from actalog.cli.summaries import STATUSES, moment, newest
    from actalog_core.clock import system_clock

    status = "active" if status == "running" else status  # as the gateway calls it
    if status is not None and status not in STATUSES:
        return complain(f"--status {status}: there are {', '.join(STATUSES)}", USAGE)
    told = older_than or ("1m" if stuck else None)
    before = moment(told, system_clock()) if told else None
    wanted = ("active", "waiting") if stuck else (status,)
    changed: list[str] = []

    async with open_log(Reach.from_env().dsn) as log:
        lists = [newest(log, tenant, status=one, session=session, before=before) for one in wanted]
        async with aclosing(_some(lists, limit, changed)) as found:
            if json:
                await write_json_list(found)
            else:
                await long_table(TITLES, (_row(one) async for one in found), none="No such run.")
    return WRONG if changed else FINE


async def _some(
    lists: "list[AsyncGenerator[Summary]]", limit: int, changed: list[str]
) -> "AsyncGenerator[Summary]":
    """At most that many; what is wrong with one is noted, and told in a line."""
    count = 0
    for each in lists:
        async with aclosing(each) as found:
            async for one in found:
                if one.tampered:
                    changed.append(one.run_id)
                    complain(f"run {one.run_id}: {one.tampered}", WRONG)
                yield one
                count += 1
                if count == limit:
                    return


def _row(one: "Summary") -> list[object]:
    return [
        one.run_id, one.target, one.session_id, one.turn, one.status, one.events,
        f"{one.accepted_at:%Y-%m-%d %H:%M:%S}", f"{one.last_event_at:%Y-%m-%d %H:%M:%S}",
    ]  # fmt: skip
