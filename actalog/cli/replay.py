"""`actalog replay`."""

from typing import Annotated, Any

import typer

from actalog.cli.common import FINE, USAGE, WRONG, Json, Tenant, carry_out, complain


def replay(
    runs: Annotated[list[str] | None, typer.Argument(help="Ids of runs.", metavar="RUN...")] = None,
    all: Annotated[bool, typer.Option("--all", help="Every run of the tenant.")] = False,
    tenant: Tenant = "default",
    json: Json = False,
) -> None:
    """Let today's code decide runs again. Shows the first difference of each as a diff."""
    if bool(runs) == all:
        raise typer.Exit(complain("give RUN..., or --all", USAGE))
    carry_out(_replay(runs or [], tenant, json))


async def _replay(ids: list[str], tenant: str, json: bool) -> int:
    from actalog.cli.differences import diff, headline
    from actalog.cli.output import write_json
    from actalog.cli.reach import Reach, open_log
    from actalog.cli.summaries import every, find
    from actalog.rebuilding import recorded
    from actalog.replaying import replay as again
    from actalog_core.events import RULES_VERSION

    told: list[dict[str, Any]] = []
    count = 0
    async with open_log(Reach.from_env().dsn) as log:
        wanted = [await find(log, tenant, one) for one in ids]
        async for found in every(log, tenant, wanted):
            count += 1
            run = await recorded(log, found)
            difference = await again(log, run)
            if difference is None:
                continue
            rules = run.stored[difference.seq - 1].rules_version
            told.append(
                {"run_id": found.row.run_id, "seq": difference.seq, "what": headline(difference),
                 "rules_version": rules, "today_rules_version": RULES_VERSION,
                 "diff": await diff(log, difference)}
            )  # fmt: skip
    if json:
        write_json({"replayed": count, "differ": told})
    else:
        for one in told:
            print(f"run {one['run_id']} differs at {one['what']}")
            print(f"decided by rules {one['rules_version']}, today's are {RULES_VERSION}")
            print("\n".join(one["diff"]), end="\n\n")
        print(f"{count} replayed, {len(told)} differ")
    return WRONG if told else FINE
