"""`actalog run`."""

from typing import Annotated, Any

import typer

from actalog.cli.common import FINE, USAGE, WRONG, Json, Tenant, carry_out, complain


def run(
    target: Annotated[str, typer.Argument(help="agent:support, or support.", metavar="TARGET")],
    input: Annotated[str, typer.Argument(help="What is asked.", metavar="INPUT")],
    session: Annotated[str | None, typer.Option(help="Go on in this session.")] = None,
    user: Annotated[str | None, typer.Option(help="Who asks.")] = None,
    stream: Annotated[bool, typer.Option("--stream", help="Write the answer as it comes.")] = False,
    tenant: Tenant = "default",
    json: Json = False,
) -> None:
    """Publish one task to a platform and show its answer. Status 1 where it has none."""
    task = {"target": target, "input": input, "session_id": session, "user_id": user,
            "tenant_id": tenant}  # fmt: skip
    carry_out(_run({name: value for name, value in task.items() if value}, stream, json))


async def _run(task: dict[str, Any], stream: bool, json: bool) -> int:
    from actalog.cli.answering import Answer
    from actalog.cli.board import answer
    from actalog.cli.following import following
    from actalog.cli.output import write_json
    from actalog.cli.reach import Reach
    from actalog.cli.sending import sender
    from actalog.cli.task_file import named
    from actalog.cli.tasks import answered

    if not task.get("input"):
        return complain("INPUT is empty", USAGE)
    reach, task = Reach.from_env(), named(task)
    kafka, prefix = reach.kafka_settings(), reach.settings.topic_prefix
    writing = Answer(task["run_id"], write=stream and not json)
    async with following(kafka, prefix=prefix, streams=stream) as follower:
        async with sender(kafka, prefix=prefix) as out:
            await out.send(task)
        result = await writing.result(follower)
    if json:
        write_json(result)
    elif answered(result):
        writing.finish(answer(result))
    else:
        complain(answer(result))
    return FINE if answered(result) else WRONG
