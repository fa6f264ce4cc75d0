"""`actalog status`."""

from collections import Counter
from typing import Any

from actalog.cli.common import FINE, Json, Tenant, carry_out


def status(tenant: Tenant = "default", json: Json = False) -> None:
    """Show what is going on."""
    carry_out(_status(tenant, json))


async def _status(tenant: str, json: bool) -> int:
    from actalog.cli import platform_file
    from actalog.cli.output import table, write_json
    from actalog.cli.reach import Reach, open_log

    reach = Reach.from_env()
    running = platform_file.read(reach.settings.home)
    async with open_log(reach.dsn) as log:
        counts = {name: await _count(log, tenant, name) for name in ("active", "waiting", "paused")}
        told: dict[str, Any] = {
            "platform": running.model_dump(exclude={"database_url"}) if running else None,
            "runs": counts, "inbox": await log.inbox_depth(),
            "targets": [f"{kind}:{id}" for kind, id, _, _ in await log.current_definitions()],
        }  # fmt: skip
    if json:
        write_json(told)
        return FINE
    where = (
        f"process {running.pid}, {running.http}, Kafka {running.kafka}" if running else "none here"
    )
    rows = [
        ("platform", where), *((f"runs {name}", count) for name, count in counts.items()),
        ("inbox", told["inbox"]), ("targets", ", ".join(told["targets"]) or "none deployed"),
    ]  # fmt: skip
    table(["what", ""], rows, none="")
    return FINE


async def _count(log: Any, tenant: str, standing: str) -> int:
    """Unfinished runs are few: they are counted by reading them."""
    counted: Counter[str] = Counter()
    before: int | None = None
    while page := await log.list_runs(tenant, standing=standing, limit=1000, before_run_no=before):
        counted[standing] += len(page)
        before = page[-1].row.run_no
    return counted[standing]
