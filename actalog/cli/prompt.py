"""`actalog prompt`."""

from typing import Annotated

import typer

from actalog.cli.common import FINE, USAGE, Json, Tenant, carry_out, complain


def prompt(
    run: Annotated[str, typer.Argument(help="The run's id.", metavar="RUN")],
    call: Annotated[int, typer.Option(help="Which model call of the run.", metavar="N", min=1)] = 1,
    tenant: Tenant = "default",
    json: Json = False,
) -> None:
    """Show the very text that a model was sent."""
    carry_out(_prompt(run, call, tenant, json))


async def _prompt(run: str, call: int, tenant: str, json: bool) -> int:
    from actalog.cli.output import write_json
    from actalog.cli.prompts import calls_of, shown
    from actalog.cli.reach import Reach, open_log
    from actalog.cli.summaries import find
    from actalog_core.visible import visible

    async with open_log(Reach.from_env().dsn) as log:
        found = await find(log, tenant, run)
        made = await calls_of(log, found)
        if call > len(made):
            return complain(f"the run made {len(made)} model calls", USAGE)
        told = await shown(log, made[call - 1])
    if json:
        write_json(told)
        return FINE
    print(visible(f"{told.provider} {told.model}, {told.purpose}, {told.digest}"))
    print(visible(f"parameters: {told.params}"))
    for part in told.parts:
        print(visible(f"\n--- {part.role} ({part.source})\n{part.text}"))
    return FINE
