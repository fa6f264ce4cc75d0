"""What `actalog doctor` looks at, one after the other; what needs the one before is left out."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from actalog.cli import platform_file
from actalog.cli.common import explained
from actalog.cli.reach import Reach
from actalog.cli.waiting import missing_migrations
from actalog.recovery.noticing import moved, restored
from actalog.scripted_models import named
from actalog_bus.provision import TopicPlan, differences, plan
from actalog_bus.topic_configs import unsafe
from actalog_core.errors import ActalogError, SettingMissing
from actalog_core.settings import MAPPINGS, SHORT, Settings, variable
from actalog_log.database import CONNECTION_LOST, connect
from actalog_log.memories_postgres import held_up_s

CLOCKS_APART_S = 5.0
HELD_UP_S = 60.0
ANSWER_S = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """`mend` names the setting or command that helps."""

    what: str
    fine: bool
    said: str
    mend: str = ""


Look = Callable[[Reach], Awaitable[Finding]]


async def examine(env: Mapping[str, str] = os.environ) -> AsyncIterator[Finding]:
    """All findings."""
    try:
        reach = Reach.from_env()
    except SettingMissing as error:
        yield Finding("settings", False, error.detail, "correct it; .env.example has all of them")
        return
    yield _settings(reach, env)
    yield _home(reach)
    yield _models(reach)
    looks: list[tuple[str, Look]] = [
        ("database", _database), ("migrations", _migrations), ("clock", _clock),
        ("topics", _topics), ("record", _record), ("memories", _memories),
    ]  # fmt: skip
    for what, look in looks:
        try:
            async with asyncio.timeout(ANSWER_S):
                yield await look(reach)
        except ActalogError as error:
            yield Finding(what, False, explained(error), MENDS[what])
        except (*CONNECTION_LOST, asyncpg.PostgresError, ValueError) as error:
            yield Finding(what, False, f"{type(error).__name__}: {error}", MENDS[what])


MENDS = {
    "database": "ACTALOG_DATABASE_URL", "migrations": "run `actalog migrate`",
    "clock": "ACTALOG_DATABASE_URL", "record": "ACTALOG_DATABASE_URL, ACTALOG_KAFKA", "memories": "run `actalog migrate`",
    "topics": "ACTALOG_KAFKA; `actalog topics apply`",
}  # fmt: skip


def known_variables() -> set[str]:
    """All variables of ours, with their `_FILE` forms."""
    names = {variable(field) for field in Settings.model_fields if field not in MAPPINGS}
    names |= set(SHORT.values())
    return names | {f"{name}_FILE" for name in names}


def _settings(reach: Reach, env: Mapping[str, str]) -> Finding:
    unknown = sorted(
        name for name in env if name.startswith("ACTALOG_") and name not in known_variables()
    )
    if unknown:
        said = f"nobody reads {', '.join(unknown)}"
        return Finding("settings", False, said, "see .env.example for the names")
    prefix = reach.settings.topic_prefix
    return Finding("settings", True, f"prefix {prefix}, home {reach.settings.home}")


def _home(reach: Reach) -> Finding:
    path = platform_file.path_of(reach.settings.home)
    running = platform_file.read(reach.settings.home)
    if running is not None:
        return Finding("platform", True, f"runs as process {running.pid}, {running.http}")
    folder = Path(reach.settings.home).absolute()
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not os.access(there, os.W_OK):
        return Finding("platform", False, f"{there} cannot be written", "ACTALOG_HOME")
    left = "; a killed one left its file, which harms nobody" if path.exists() else ""
    return Finding("platform", True, f"none runs here{left}")


def _models(reach: Reach) -> Finding:
    if named(reach.settings):
        return Finding("models", True, "a key or address is set")
    said = "no key is set: the scripted model server answers, and says so"
    return Finding("models", True, said, "OPENAI_API_KEY, ANTHROPIC_API_KEY, ...")


async def _database(reach: Reach) -> Finding:
    connection = await connect(reach.dsn)
    try:
        version = await connection.fetchval("show server_version")
    finally:
        await connection.close()
    return Finding("database", True, f"PostgreSQL {version}")


async def _migrations(reach: Reach) -> Finding:
    lacks = await missing_migrations(reach.dsn)
    if lacks:
        said = f"missing or changed: {', '.join(lacks)}"
        return Finding("migrations", False, said, MENDS["migrations"])
    return Finding("migrations", True, "all applied")


async def _clock(reach: Reach) -> Finding:
    connection = await connect(reach.dsn)
    try:
        theirs: datetime = await connection.fetchval("select clock_timestamp()")
    finally:
        await connection.close()
    apart_s = abs((datetime.now(UTC) - theirs).total_seconds())
    said = f"{apart_s:.2f} s from the database's"
    fine = apart_s < CLOCKS_APART_S
    return Finding("clock", fine, said, "" if fine else "set this machine's clock (NTP)")


async def _record(reach: Reach) -> Finding:
    connection = await connect(reach.dsn)
    try:
        prefix = reach.settings.topic_prefix
        told = await restored(connection, reach.kafka_settings(), prefix)
    finally:
        await connection.close()
    if told:
        return Finding("record", False, "; ".join(told[:3]), "stop services, run `actalog recover`")
    return Finding("record", True, "the one that the topics know")


async def _memories(reach: Reach) -> Finding:
    connection = await connect(reach.dsn)
    try:
        if await moved(connection):
            return Finding("memories", False, "follow no record of another server", "see above")
        held_s = await held_up_s(connection)
    finally:
        await connection.close()
    if held_s < HELD_UP_S:
        return Finding("memories", True, "as far as the log")
    said = f"wait since {held_s:.0f} s for a transaction that somebody left open on that server"
    return Finding("memories", False, said, "end it: pg_stat_activity, where backend_xid is set")


async def _topics(reach: Reach) -> Finding:
    settings = reach.settings
    planned: list[TopicPlan] = plan(
        prefix=settings.topic_prefix, partitions=settings.partitions,
        replication=settings.replication,
    )  # fmt: skip
    wrong = await differences(reach.kafka_settings(), planned)
    if wrong:
        return Finding("topics", False, "; ".join(wrong), MENDS["topics"])
    if risky := await unsafe(reach.kafka_settings(), planned):
        said, _, mend = risky[0].partition("; ")
        more = f" (and {len(risky) - 1} more: `actalog topics apply` names them)"
        return Finding("topics", False, said + (more if risky[1:] else ""), mend)
    return Finding("topics", True, f"{len(planned)} as they should be at {reach.kafka}")
