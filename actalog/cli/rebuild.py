"""`actalog rebuild`."""

from typing import Annotated, Any

import typer

from actalog.cli.common import FINE, USAGE, Json, Tenant, carry_out, complain


def rebuild(
    run: Annotated[str | None, typer.Argument(help="The run's id.", metavar="RUN")] = None,
    at: Annotated[int | None, typer.Option(help="After this event.", metavar="SEQ", min=1)] = None,
    session: Annotated[str | None, typer.Option(help="A whole session.", metavar="S")] = None,
    tenant: Tenant = "default",
    json: Json = False,
) -> None:
    """Show the state of a run or session, from the log alone."""
    if (run is None) == (session is None):
        raise typer.Exit(complain("give RUN, or --session S", USAGE))
    if run is not None:
        carry_out(_run(run, at, tenant, json))
    carry_out(_session(session or "", tenant, json))


async def _run(run: str, at: int | None, tenant: str, json: bool) -> int:
    from actalog.cli.output import console, write_json
    from actalog.cli.reach import Reach, open_log
    from actalog.cli.states import show, state_of
    from actalog.cli.summaries import find
    from actalog.rebuilding import recorded

    async with open_log(Reach.from_env().dsn) as log:
        found = await recorded(log, await find(log, tenant, run))
    if at is not None and at > len(found.events):
        return complain(f"the run has {len(found.events)} events", USAGE)
    told = state_of(found, at)
    write_json(told) if json else show(console(), told)
    return FINE


async def _session(session: str, tenant: str, json: bool) -> int:
    from actalog.cli.output import console, write_json
    from actalog.cli.reach import Reach, open_log
    from actalog.cli.session_state import session_of
    from actalog.cli.states import show

    async with open_log(Reach.from_env().dsn) as log:
        told: dict[str, Any] = await session_of(log, tenant, session)
    if not told["runs"]:
        return complain(f"there is no session {session} (tenant {tenant})", USAGE)
    write_json(told) if json else show(console(), told)
    return FINE
