"""`actalog cancel`."""

from typing import TYPE_CHECKING, Annotated

import typer

from actalog.cli.common import FINE, USAGE, WRONG, Json, Tenant, carry_out, complain

if TYPE_CHECKING:
    from actalog.cli.reach import Reach


def cancel(
    run: Annotated[str, typer.Argument(help="The run's id.", metavar="RUN")],
    reason: Annotated[str | None, typer.Option(help="Why; stands in the log.")] = None,
    by: Annotated[str | None, typer.Option(help="Who; else the user of this machine.")] = None,
    tenant: Tenant = "default",
    json: Json = False,
) -> None:
    """Cancel a run. One that is not known yet is cancelled when it comes, within a day."""
    if not run:
        raise typer.Exit(complain("RUN is empty", USAGE))
    carry_out(_cancel(run, reason, by, tenant, json))


async def _cancel(run: str, reason: str | None, by: str | None, tenant: str, json: bool) -> int:
    from actalog.cli.output import write_json
    from actalog.cli.reach import Reach
    from actalog.cli.sending import send
    from actalog.cli.who import me

    if (how := await _ended(Reach.from_env(), tenant, run)) is not None:
        return complain(f"run {run} has ended: {how}", WRONG)
    message = {
        "type": "run.cancel.v1", "run_id": run, "tenant_id": tenant, "reason": reason,
        "by": by or me(),
    }  # fmt: skip
    await send(message)
    write_json(message) if json else print(f"asked to cancel {run}")
    return FINE


async def _ended(reach: "Reach", tenant: str, run: str) -> str | None:
    """How the run has ended; None: it has not, is not known, or nobody told of a database."""
    from actalog.cli.reach import open_log
    from actalog.cli.summaries import summary

    if reach.database_url is None:
        return None
    async with open_log(reach.database_url) as log:
        found = await log.find_run(tenant, run)
        if found is None or found.standing != "ended":
            return None
        return (await summary(log, found)).status
