"""`actalog log`."""

from typing import Annotated

import typer

from actalog.cli.common import Json, Tenant, carry_out


def log(
    run: Annotated[str, typer.Argument(help="The run's id.", metavar="RUN")],
    tenant: Tenant = "default",
    json: Json = False,
) -> None:
    """Show what happened in a run, when, and at what cost."""
    carry_out(_log(run, tenant, json))


async def _log(run: str, tenant: str, json: bool) -> None:
    from actalog.cli.output import console, write_json
    from actalog.cli.reach import Reach, open_log
    from actalog.cli.story import show, steps
    from actalog.cli.summaries import find
    from actalog_core.visible import visible

    async with open_log(Reach.from_env().dsn) as log:
        found = await find(log, tenant, run)
        told = steps(await log.read(found.row.run_no))
        children = await log.children(found.row.run_no)
    if json:
        write_json({"run": found.row, "steps": told, "children": [c.row.run_id for c in children]})
        return
    show(console(), found, told)
    for child in children:
        print(visible(f"child: {child.row.run_id} ({child.row.kind})"))
