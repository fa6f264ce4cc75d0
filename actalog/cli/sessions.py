"""`actalog sessions`."""

from typing import Annotated

import typer

from actalog.cli.common import Json, Tenant, carry_out


def sessions(
    user: Annotated[str | None, typer.Option(help="Only this user's.")] = None,
    limit: Annotated[int, typer.Option(help="At most that many.", metavar="N", min=1)] = 50,
    tenant: Tenant = "default",
    json: Json = False,
) -> None:
    """List sessions, the newest first."""
    carry_out(_sessions(user, limit, tenant, json))


async def _sessions(user: str | None, limit: int, tenant: str, json: bool) -> None:
    from actalog.cli.output import table, write_json
    from actalog.cli.reach import Reach, open_log

    async with open_log(Reach.from_env().dsn) as log:
        found = await log.list_sessions(tenant, user_id=user, limit=limit)
    titles = ["session", "first", "last", "user", "target"]
    if json:
        write_json([dict(zip(titles, one, strict=True)) for one in found])
        return
    rows = (
        (one[0], f"{one[1]:%Y-%m-%d %H:%M:%S}", f"{one[2]:%Y-%m-%d %H:%M:%S}", one[3], one[4])
        for one in found
    )
    table(titles, rows, none="No session yet.")
