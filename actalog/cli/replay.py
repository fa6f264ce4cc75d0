"""`actalog replay`."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from actalog.cli.common import FINE, USAGE, WRONG, Json, Tenant, carry_out, complain

if TYPE_CHECKING:
    from actalog_log.ports import FoundRun, RunLog


def replay(
    runs: Annotated[list[str] | None, typer.Argument(help="Ids of runs.", metavar="RUN...")] = None,
    all: Annotated[bool, typer.Option("--all", help="Every run of the tenant.")] = False,
    export: Annotated[Path | None, typer.Option(help="The runs in this file.",
                                                metavar="FILE")] = None,
    save: Annotated[Path | None, typer.Option(help="Keep the runs in this file, for --export and "
                                              "actalog.testing.replay.", metavar="FILE")] = None,
    tenant: Tenant = "default",
    json: Json = False,
) -> None:  # fmt: skip
    """Let today's code decide runs again. Shows the first difference of each as a diff."""
    if [bool(runs), all, export is not None].count(True) != 1:
        raise typer.Exit(complain("give RUN..., or --all, or --export FILE", USAGE))
    carry_out(_replay(runs or [], export, save, tenant, json))


async def _replay(
    ids: list[str], export: Path | None, save: Path | None, tenant: str, json: bool
) -> int:
    from actalog.cli.output import progress, write_json
    from actalog.recording import write
    from actalog_core.events import RULES_VERSION
    from actalog_core.visible import visible

    told: list[dict[str, Any]] = []
    seen: list[FoundRun] = []
    async with _source(ids, export, tenant) as (log, wanted):
        with progress("replayed", shown=not json) as count:
            async for found in wanted:
                seen.append(found)
                count(len(seen))
                if (differs := await _difference(log, found)) is not None:
                    told.append({**differs, "today_rules_version": RULES_VERSION})
        if save is not None:
            try:
                await write(log, seen, save)
            except OSError as error:
                return complain(f"--save {save}: {error.strerror}", USAGE)
    if json:
        write_json({"replayed": len(seen), "differ": told})
    else:
        for one in told:
            if one["seq"] is None:
                print(visible(f"run {one['run_id']}: {one['what']}"), end="\n\n")
                continue
            print(visible(f"run {one['run_id']} differs at {one['what']}"))
            print(f"decided by rules {one['rules_version']}, today's are {RULES_VERSION}")
            print(visible("\n".join(one["diff"])), end="\n\n")
        print(f"{len(seen)} replayed, {len(told)} differ")
    return WRONG if told else FINE


@asynccontextmanager
async def _source(
    ids: Sequence[str], export: Path | None, tenant: str
) -> "AsyncGenerator[tuple[RunLog, AsyncIterator[FoundRun]]]":
    """A log and the runs of it that are wanted."""
    from actalog.cli.reach import Reach, open_log
    from actalog.cli.summaries import every, find
    from actalog.recording import read

    if export is not None:
        recording = await read(export)
        yield recording.log, _each(recording.runs)
        return
    async with open_log(Reach.from_env().dsn) as log:
        yield log, every(log, tenant, [await find(log, tenant, one) for one in ids])


async def _each(runs: "Sequence[FoundRun]") -> "AsyncIterator[FoundRun]":
    for one in runs:
        yield one


async def _difference(log: "RunLog", found: "FoundRun") -> dict[str, Any] | None:
    from actalog.cli.differences import diff, headline
    from actalog.rebuilding import recorded
    from actalog.replaying import replay as again
    from actalog_core.errors import Tampered

    try:
        run = await recorded(log, found)
        difference = await again(log, run)
    except Tampered as error:  # a finding, and the others are looked at as well
        return {"run_id": found.row.run_id, "seq": None, "what": str(error),
                "rules_version": None, "diff": []}  # fmt: skip
    if difference is None:
        return None
    return {
        "run_id": found.row.run_id, "seq": difference.seq, "what": headline(difference),
        "rules_version": run.stored[difference.seq - 1].rules_version,
        "diff": await diff(log, difference),
    }  # fmt: skip
