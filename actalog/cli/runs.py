"""`actalog runs`."""

from typing import Annotated

import typer

from actalog.cli.common import FINE, USAGE, Json, Tenant, carry_out, complain


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
    """List runs, the newest first."""
    carry_out(_runs(status, session, stuck, older_than, limit, tenant, json))


async def _runs(
    status: str | None, session: str | None, stuck: bool, older_than: str | None, limit: int,
    tenant: str, json: bool,
) -> int:  # fmt: skip
    from actalog.cli.output import table, write_json
    from actalog.cli.reach import Reach, open_log
    from actalog.cli.summaries import STATUSES, moment, newest
    from actalog_core.clock import system_clock

    status = "active" if status == "running" else status  # as the gateway calls it
    if status is not None and status not in STATUSES:
        return complain(f"--status {status}: there are {', '.join(STATUSES)}", USAGE)
    told = older_than or ("1m" if stuck else None)
    before = moment(told, system_clock()) if told else None
    async with open_log(Reach.from_env().dsn) as log:
        if stuck:
            found = [
                one
                for standing in ("active", "waiting")
                for one in await newest(
                    log, tenant, status=standing, session=session, limit=limit, before=before
                )
            ]
        else:
            found = await newest(
                log, tenant, status=status, session=session, limit=limit, before=before
            )
    if json:
        write_json(found)
    else:
        table(
            ["run", "target", "session", "turn", "status", "events", "accepted", "last event"],
            ((one.run_id, one.target, one.session_id, one.turn, one.status, one.events,
              f"{one.accepted_at:%Y-%m-%d %H:%M:%S}", f"{one.last_event_at:%Y-%m-%d %H:%M:%S}")
             for one in found),
            none="No such run.",
        )  # fmt: skip
    return FINE
