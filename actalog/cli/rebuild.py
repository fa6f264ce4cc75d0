"""`actalog rebuild`."""

from typing import Annotated, Any

import typer

from actalog.cli.common import FINE, USAGE, WRONG, Json, Tenant, carry_out, complain


def rebuild(
    run: Annotated[str | None, typer.Argument(help="The run's id.", metavar="RUN")] = None,
    at: Annotated[int | None, typer.Option(help="After this event.", metavar="SEQ", min=1)] = None,
    session: Annotated[str | None, typer.Option(help="A whole session.", metavar="S")] = None,
    memories: Annotated[bool, typer.Option("--memories", help="Fill the tables of memories and "
                                           "summaries anew; of all tenants.")] = False,
    tenant: Tenant = "default",
    json: Json = False,
) -> None:  # fmt: skip
    """Show the state of a run or session, from the log alone.

    With --memories: fill the tables of memories and summaries from it anew, also while runs are live.
    """
    one = [run is not None, session is not None, memories].count(True) == 1
    if not one or (memories and at is not None):
        raise typer.Exit(complain("give RUN, or --session S, or --memories", USAGE))
    if memories:
        carry_out(_memories(json))
    if run is not None:
        carry_out(_run(run, at, tenant, json))
    carry_out(_session(session or "", tenant, json))


async def _run(run: str, at: int | None, tenant: str, json: bool) -> int:
    from actalog.beside_chain import of_run
    from actalog.cli.output import console, write_json
    from actalog.cli.reach import Reach, open_log
    from actalog.cli.states import show, state_of
    from actalog.cli.summaries import find
    from actalog.rebuilding import recorded

    async with open_log(Reach.from_env().dsn) as log:
        found = await recorded(log, await find(log, tenant, run))
        differs = await of_run(log, found)
    if at is not None and at > len(found.events):
        return complain(f"the run has {len(found.events)} events", USAGE)
    told = {**state_of(found, at), **({"differs": differs} if differs else {})}
    write_json(told) if json else show(console(), told)
    return _ends(differs)


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
    return _ends(told["differs"])


def _ends(differs: list[str]) -> int:
    for one in differs:
        complain(one, WRONG)
    return WRONG if differs else FINE


async def _memories(json: bool) -> int:
    from actalog.cli.output import counted, progress, write_json
    from actalog.cli.reach import Reach, open_log
    from actalog_log.memories_postgres import PostgresMemories

    async with open_log(Reach.from_env().dsn) as log:
        with progress("memories", shown=not json):
            applied = await (kept := PostgresMemories(log)).rebuild()
        memories, summaries = await kept.counts()
    if json:
        write_json({"applied": applied, "memories": memories, "summaries": summaries})
        return FINE
    told = counted(memories, "memory", "memories"), counted(summaries, "summary", "summaries")
    print(f"{counted(applied, 'event', 'events')} applied: {', '.join(told)}")
    return FINE
