"""`actalog up`."""

from pathlib import Path
from typing import Annotated

import typer

from actalog.cli.common import USAGE, AppOption, Json, carry_out, complain

MOST_PORT = 65_535
Port = Annotated[int | None, typer.Option(help="The gateway's; else ACTALOG_PORT.", metavar="N",
                                          min=1, max=MOST_PORT)]  # fmt: skip


def up(
    app: AppOption = None,
    tasks: Annotated[Path | None, typer.Option(help="Publish these tasks to Kafka, one JSON object "
                                               "a line.", metavar="FILE.jsonl")] = None,
    exit: Annotated[bool, typer.Option("--exit", help="End with the last result; status 1 if one "
                                       "failed.")] = False,
    port: Port = None,
    kafka_port: Annotated[int | None, typer.Option(help="The embedded broker's.", metavar="N",
                                                     min=1, max=MOST_PORT)] = None,
    reload: Annotated[bool, typer.Option("--reload", help="Start again when the App's code "
                                         "changes.")] = False,
    json: Json = False,
) -> None:  # fmt: skip
    """Run the whole platform in one process."""
    if exit and tasks is None:
        raise typer.Exit(complain("--exit waits for the results of --tasks: give both", USAGE))
    carry_out(_up(app, tasks, exit, port, kafka_port, reload, json))


async def _up(
    app: str | None, tasks: Path | None, exit: bool, port: int | None, kafka_port: int | None,
    reload: bool, json: bool,
) -> int | None:  # fmt: skip
    from actalog.cli.signals import until_signal
    from actalog.cli.upping import Up, Wanted

    wanted = Wanted(
        app=app, tasks=tasks, exit=exit, port=port, kafka_port=kafka_port, reload=reload, json=json
    )
    return await until_signal(Up(wanted))
