"""`actalog cancel`."""

from typing import Annotated

import typer

from actalog.cli.common import Json, Tenant, carry_out


def cancel(
    run: Annotated[str, typer.Argument(help="The run's id.", metavar="RUN")],
    reason: Annotated[str | None, typer.Option(help="Why; stands in the log.")] = None,
    by: Annotated[str | None, typer.Option(help="Who; else the user of this machine.")] = None,
    tenant: Tenant = "default",
    json: Json = False,
) -> None:
    """Cancel a run. One that is not known yet is cancelled when it comes, within a day."""
    carry_out(_cancel(run, reason, by, tenant, json))


async def _cancel(run: str, reason: str | None, by: str | None, tenant: str, json: bool) -> None:
    from actalog.cli.output import write_json
    from actalog.cli.sending import send
    from actalog.cli.who import me

    message = {
        "type": "run.cancel.v1", "run_id": run, "tenant_id": tenant, "reason": reason,
        "by": by or me(),
    }  # fmt: skip
    await send(message)
    write_json(message) if json else print(f"asked to cancel {run}")
