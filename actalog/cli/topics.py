"""`actalog topics`."""

import sys
from typing import Annotated

import typer

from actalog.cli.common import FINE, WRONG, Json, carry_out, complain

app = typer.Typer(
    help="Create or check the topics.", no_args_is_help=True, rich_markup_mode=None,
)  # fmt: skip


@app.callback()
def topics() -> None:
    """Create or check the topics."""


@app.command("apply")
def apply(
    show: Annotated[
        bool, typer.Option("--print", help="Only print the commands and ACLs.")
    ] = False,
    json: Json = False,
) -> None:
    """Create what is missing, check what is there."""
    carry_out(_apply(show, json))


async def _apply(show: bool, json: bool) -> int:
    from actalog.cli.acls import acls
    from actalog.cli.output import write_json
    from actalog.cli.reach import Reach
    from actalog_bus.provision import TopicsDiffer, describe, plan, provision
    from actalog_bus.topic_configs import unsafe

    reach = Reach.from_env()
    settings = reach.settings
    planned = plan(
        prefix=settings.topic_prefix, partitions=settings.partitions,
        replication=settings.replication,
    )  # fmt: skip
    if show:
        bootstrap = reach.kafka or "localhost:9092"
        commands = [*describe(planned, bootstrap=bootstrap),
                    *acls(prefix=settings.topic_prefix, bootstrap=bootstrap,
                          reply_topics=settings.reply_topics)]  # fmt: skip
        write_json(commands) if json else print("\n".join(commands))
        return FINE
    try:
        created = await provision(reach.kafka_settings(), planned)
    except TopicsDiffer as error:
        said = f"{error} Set ACTALOG_KAFKA_PARTITIONS to what is there, or make new topics."
        return complain(said, WRONG)
    for risk in await unsafe(reach.kafka_settings(), planned):
        print(f"warning: {risk}", file=sys.stderr)
    if json:
        write_json({"created": created, "topics": [one.name for one in planned]})
    else:
        print(f"{len(created)} created, {len(planned) - len(created)} were there")
    return FINE
