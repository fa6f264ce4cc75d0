"""`actalog sessions`."""

from contextlib import aclosing
from typing import Annotated

import typer

from actalog.cli.common import Json, Tenant, carry_out

TITLES = ["session", "first", "last", "user", "target"]


def sessions(
    user: Annotated[str | None, typer.Option(help="Only this user's.")] = None,
    limit: Annotated[int, typer.Option(help="At most that many.", metavar="N", min=1)] = 50,
    tenant: Tenant = "default",
    json: Json = False,
) -> None:
    """List sessions, the newest first."""
    carry_out(_sessions(user, limit, tenant, json))


async def _sessions(user: str | None, limit: int, tenant: str, json: bool) -> None:
    from actalog.cli.output import long_table, write_json_list
    from actalog.cli.reach import Reach, open_log

    async with (
        open_log(Reach.from_env().dsn) as log,
        aclosing(log.each_session(tenant, user_id=user, limit=limit)) as found,
    ):
        if json:
            await write_json_list(dict(zip(TITLES, one, strict=True)) async for one in found)
            return
        rows = (
            (one[0], f"{one[1]:%Y-%m-%d %H:%M:%S}", f"{one[2]:%Y-%m-%d %H:%M:%S}", *one[3:])
            async for one in found
        )
        await long_table(TITLES, rows, none="No session yet.")
