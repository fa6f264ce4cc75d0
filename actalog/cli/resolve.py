"""`actalog resolve`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from actalog.cli.common import FINE, USAGE, WRONG, Json, Tenant, carry_out, complain

if TYPE_CHECKING:
    from actalog.cli.reach import Reach
    from actalog_log.ports import FoundRun, RunLog


def resolve(
    run: Annotated[str, typer.Argument(help="The run's id.", metavar="RUN")],
    requirement: Annotated[
        str, typer.Argument(help="As `actalog requirements` shows it.", metavar="REQUIREMENT")
    ],
    approve: Annotated[bool, typer.Option("--approve", help="Let the call run.")] = False,
    reject: Annotated[bool, typer.Option("--reject", help="Do not let it run.")] = False,
    provide: Annotated[str | None, typer.Option(help="Values or a result.", metavar="JSON")] = None,
    done: Annotated[bool, typer.Option("--done", help="A call in doubt has acted.")] = False,
    result: Annotated[
        str | None, typer.Option(help="With --done: what it returned.", metavar="TEXT")
    ] = None,
    not_done: Annotated[bool, typer.Option("--not-done", help="It has not.")] = False,
    note: Annotated[str | None, typer.Option(help="Stands in the log.", metavar="TEXT")] = None,
    by: Annotated[str | None, typer.Option(help="Who; else the user of this machine.")] = None,
    tenant: Tenant = "default",
    json: Json = False,
) -> None:
    """Answer what a run waits for."""
    chosen = {"approve": approve, "reject": reject, "provide": provide is not None,
              "done": done, "not_done": not_done}  # fmt: skip
    decisions = [name for name, given in chosen.items() if given]
    if len(decisions) != 1:
        said = "give exactly one of --approve, --reject, --provide, --done, --not-done"
        raise typer.Exit(complain(said, USAGE))
    message: dict[str, Any] = {
        "type": "requirement.resolve.v1", "run_id": run, "tenant_id": tenant,
        "requirement_id": requirement, "decision": decisions[0], "note": note,
    }  # fmt: skip
    if result is not None:
        if not done:
            raise typer.Exit(complain("--result goes with --done", USAGE))
        message["result"] = result
    carry_out(_resolve(message, provide, by, json))


async def _resolve(message: dict[str, Any], provide: str | None, by: str | None, json: bool) -> int:
    from actalog.cli.open_requirements import of_run
    from actalog.cli.reach import Reach, open_log
    from actalog.cli.summaries import find
    from actalog.cli.who import me
    from actalog_contracts.strict_json import BadInput, parse_any

    if provide is not None:
        try:
            values = parse_any(provide.encode("utf-8", "surrogateescape"))
        except BadInput as error:
            return complain(f"--provide: {error.message}", USAGE)
        message["values" if isinstance(values, dict) else "result"] = values
    reach = Reach.from_env()
    async with open_log(reach.dsn) as log:
        found = await find(log, message["tenant_id"], message["run_id"])
        waits = {one.id: one for one in await of_run(log, found)}
        wanted = waits.get(message["requirement_id"])
        if wanted is None:
            return await _not_open(log, found, message["requirement_id"], list(waits))
        if wanted.tool_call is not None:
            message["digest"] = wanted.tool_call.digest  # of the arguments that are shown here
        message["by"] = by or me()
        return await _send(log, found.row.run_no, message, reach, json)


async def _not_open(log: "RunLog", found: "FoundRun", wanted: str, waits: list[str]) -> int:
    """Answered already, by whom; or there is no such requirement, but others."""
    from actalog.cli.deciding import resolution, told

    if event := await resolution(log, found.row.run_no, wanted):
        return complain(f"{wanted} was answered before: {told(event)}", WRONG)
    if found.standing == "ended":
        return complain("the run has ended; it waits for nothing", WRONG)
    there = ", ".join(waits) or "nothing"
    return complain(f"no requirement {wanted} is open; the run waits for {there}", USAGE)


async def _send(
    log: "RunLog", run_no: int, message: dict[str, Any], reach: "Reach", json: bool
) -> int:
    """Publish it as any system does, and tell what became of it."""
    from actalog.cli.deciding import became, same, told
    from actalog.cli.following import following
    from actalog.cli.output import write_json
    from actalog.cli.sending import send
    from actalog_core.visible import visible

    kafka, prefix = reach.kafka_settings(), reach.settings.topic_prefix
    async with following(kafka, prefix=prefix, streams=False) as follower:
        await send(message)
        event = await became(log, run_no, message, follower)
    match event:
        case None:
            said = f"{message['decision']}: sent, and not decided yet; `actalog log` will show it"
        case dict() as refused:
            error = refused["error"]
            return complain(f"refused: {error['code']}: {error['message']}", WRONG)
        case _ if not same(event, message):
            return complain(f"somebody was first: {told(event)}", WRONG)
        case _:
            said = told(event)
    write_json(message) if json else print(visible(f"{message['requirement_id']}: {said}"))
    return FINE
