"""`actalog requirements`."""

from actalog.cli.common import FINE, WRONG, Json, Tenant, carry_out, complain


def requirements(tenant: Tenant = "default", json: Json = False) -> None:
    """List what waits for a person."""
    carry_out(_requirements(tenant, json))


async def _requirements(tenant: str, json: bool) -> int:
    from actalog.cli.open_requirements import every
    from actalog.cli.output import compact, table, write_json
    from actalog.cli.reach import Reach, open_log
    from actalog_core.visible import exact

    async with open_log(Reach.from_env().dsn) as log:
        found, changed = await every(log, tenant)
    for run, what in changed.items():
        complain(f"run {run}: {what}", WRONG)
    if json:
        write_json(found)
        return WRONG if changed else FINE
    rows = (
        (one.run_id, one.id, one.kind, exact(one.tool_call.name) if one.tool_call else "",
         exact(compact(one.tool_call.arguments)) if one.tool_call else "",
         (one.expires_at or "").partition(".")[0].replace("T", " "))
        for one in found
    )  # fmt: skip
    names = ["run", "requirement", "kind", "tool", "arguments", "until"]
    table(names, rows, none="Nobody is waited for.")
    return WRONG if changed else FINE
