"""`actalog migrate`."""

from actalog.cli.common import Json, carry_out


def migrate(json: Json = False) -> None:
    """Bring the database to this build's migrations."""
    carry_out(_migrate(json))


async def _migrate(json: bool) -> None:
    from actalog.cli.output import write_json
    from actalog.cli.reach import Reach
    from actalog.cli.waiting import migrated

    applied = await migrated(Reach.from_env().dsn)
    if json:
        write_json({"applied": applied})
    else:
        print("\n".join(f"applied {name}" for name in applied) or "nothing to apply")
