"""`actalog service`."""

from typing import Annotated

import typer

from actalog.cli.common import USAGE, carry_out, complain


def service(
    name: Annotated[str, typer.Argument(help="conductor, guardrails, context, llm, tools, memory "
                                        "or gateway.", metavar="NAME")],
    json: Annotated[bool, typer.Option("--json", help="Write log lines as JSON, as "
                                       "ACTALOG_LOG_FORMAT=json does.")] = False,
) -> None:  # fmt: skip
    """Run one service alone: what a container runs."""
    from actalog.names import NAMES

    if name not in NAMES:
        said = f"there is no service {name}; there are {', '.join(NAMES)}"
        raise typer.Exit(complain(said, USAGE))
    carry_out(_service(name, json))


async def _service(name: str, json: bool) -> None:
    from dataclasses import replace
    from typing import cast

    from actalog.cli.alone import Alone
    from actalog.cli.reach import Reach
    from actalog.cli.signals import until_signal
    from actalog.names import Name

    reach = Reach.from_env()
    if json:
        settings = reach.settings.model_copy(update={"log_format": "json"})
        reach = replace(reach, settings=settings)
    alone = Alone(cast(Name, name), reach)
    await until_signal(alone)
