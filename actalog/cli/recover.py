"""`actalog recover`."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from actalog.cli.common import FINE, USAGE, WRONG, Json, carry_out, complain

if TYPE_CHECKING:
    from actalog.cli.reach import Reach
    from actalog.recovery.report import Report


def recover(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be done.")] = False,
    from_now: Annotated[bool, typer.Option("--from-now", help="Bring nothing back: go on behind what "
                                           "was heard.")] = False,
    json: Json = False,
) -> None:  # fmt: skip
    """Go on with a restored database; list what is gone."""
    carry_out(_recover(dry_run, from_now, json))


async def _recover(dry_run: bool, from_now: bool, json: bool) -> int:
    from actalog.cli import platform_file
    from actalog.cli.output import write_json
    from actalog.cli.reach import Reach

    reach = Reach.from_env()
    if reach.kafka is None:
        return complain("set ACTALOG_KAFKA: the topics tell what the database does not know", USAGE)
    if platform_file.read(reach.settings.home) is not None:
        return complain(f"a platform runs in {reach.settings.home}; stop it first", USAGE)
    report = await _carried_out(reach, dry_run=dry_run, from_now=from_now)
    if json:
        write_json(report or {"reasons": []})
    elif report is None:
        print("nothing to recover: the database is the one that the topics know")
    else:
        print("\n".join(report.lines()))
    return FINE if report is None or report.whole else WRONG


async def _carried_out(reach: "Reach", *, dry_run: bool, from_now: bool) -> "Report | None":
    import asyncpg

    from actalog.cli.reach import NoDatabase, open_log
    from actalog.cli.waiting import migrated
    from actalog.recovery.recovering import Recovery
    from actalog_log.database import connect

    async with _database(reach) as dsn:
        await migrated(dsn)
        async with open_log(dsn) as log:
            connection = await connect(dsn)
            recovery = Recovery(
                log, connection, reach.kafka_settings(), reach.settings.topic_prefix, from_now
            )
            try:
                return await recovery.carry_out(dry_run=dry_run)
            except asyncpg.InsufficientPrivilegeError as error:
                said = f"ACTALOG_DATABASE_URL: {error}; recover with the login that migrates"
                raise NoDatabase(said) from error
            finally:
                await connection.close()


@asynccontextmanager
async def _database(reach: "Reach") -> AsyncGenerator[str]:
    """The database that the settings name, or the embedded one, started for as long as it takes."""
    from pathlib import Path

    from actalog.embedded.postgres import EmbeddedPostgres

    if reach.database_url is not None:
        yield reach.database_url
        return
    server = EmbeddedPostgres(Path(reach.settings.home))
    dsn = await server.start()
    try:
        yield dsn
    finally:
        await server.stop()
