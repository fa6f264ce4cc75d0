"""`actalog requirements`."""

from actalog.cli.common import Json, Tenant, carry_out


def requirements(tenant: Tenant = "default", json: Json = False) -> None:
    """List what waits for a person."""
    carry_out(_requirements(tenant, json))


async def _requirements(tenant: str, json: bool) -> None:
    from actalog.cli.open_requirements import every
    from actalog.cli.output import compact, table, write_json
    from actalog.cli.reach import Reach, open_log
    from actalog_core.visible import exact

    async with open_log(Reach.from_env().dsn) as log:
        found = await every(log, tenant)
    if json:
        write_json(found)
        return
    rows = (
        (one.run_id, one.id, one.kind, exact(one.tool_call.name) if one.tool_call else "",
         exact(compact(one.tool_call.arguments)) if one.tool_call else "",
         (one.expires_at or "").partition(".")[0].replace("T", " "))
        for one in found
    )  # fmt: skip
    names = ["run", "requirement", "kind", "tool", "arguments", "until"]
    table(names, rows, none="Nobody is waited for.")
