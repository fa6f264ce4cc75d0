"""All commands, in the order in which `actalog --help` shows them."""

from typing import Annotated

import typer

from actalog.cli import (
    cancel,
    deploy,
    dlq,
    doctor,
    log,
    migrate,
    prompt,
    rebuild,
    recover,
    replay,
    requirements,
    resolve,
    run,
    runs,
    service,
    sessions,
    status,
    topics,
    up,
)

app = typer.Typer(
    name="actalog",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"max_content_width": 110},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"actalog {version('actalog')}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True,
                                          help="Show the version.")] = False,
) -> None:  # fmt: skip
    """Event-sourced AI agents on Kafka. `actalog up` runs the whole platform."""


app.command("up")(up.up)
app.command("service")(service.service)
app.command("deploy")(deploy.deploy)
app.command("run")(run.run)
app.add_typer(topics.app, name="topics")
app.command("migrate")(migrate.migrate)
app.command("status")(status.status)
app.command("runs")(runs.runs)
app.command("sessions")(sessions.sessions)
app.command("requirements")(requirements.requirements)
app.command("resolve")(resolve.resolve)
app.command("cancel")(cancel.cancel)
app.command("log")(log.log)
app.command("prompt")(prompt.prompt)
app.command("rebuild")(rebuild.rebuild)
app.command("replay")(replay.replay)
app.add_typer(dlq.app, name="dlq")
app.command("recover")(recover.recover)
app.command("doctor")(doctor.doctor)
