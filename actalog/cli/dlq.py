"""`actalog dlq`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from actalog.cli.common import FINE, USAGE, WRONG, Json, carry_out, complain

if TYPE_CHECKING:
    from actalog.cli.letters import Letter

app = typer.Typer(
    help="Dead letters: list, show, redrive, discard.", no_args_is_help=True,
    rich_markup_mode=None,
)  # fmt: skip
Topic = Annotated[str | None, typer.Option(help="Only those of this topic.", metavar="T")]
Reason = Annotated[
    str | None, typer.Option(help="refused, permanent, unexpected or killed.", metavar="R")
]
Run = Annotated[str | None, typer.Option("--run", help="Only those of this run.", metavar="RUN")]
Names = Annotated[
    list[str] | None,
    typer.Argument(help="As `actalog dlq list` shows them: tasks.dlq/0/12.", metavar="LETTER..."),
]
Every = Annotated[bool, typer.Option("--all", help="All that the options select.")]
By = Annotated[str | None, typer.Option(help="Who; else the user of this machine.")]
Note = Annotated[str | None, typer.Option(help="Is kept beside it.", metavar="TEXT")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]


@app.callback()
def dlq() -> None:
    """Dead letters: list, show, redrive, discard."""


@app.command("list")
def list_(
    topic: Topic = None, reason: Reason = None, run: Run = None,
    every: Annotated[bool, typer.Option("--all", help="Also those already dealt with.")] = False,
    json: Json = False,
) -> None:  # fmt: skip
    """What was given up, and why."""
    _check(reason)
    carry_out(_list(topic, reason, run, every, json))


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="As `actalog dlq list` shows it.", metavar="LETTER")],
    json: Json = False,
) -> None:
    """One letter: reason, headers, the message, what became of it."""
    carry_out(_show(name, json))


@app.command("redrive")
def redrive(
    names: Names = None, every: Every = False, topic: Topic = None, reason: Reason = None,
    run: Run = None, by: By = None, note: Note = None, dry_run: DryRun = False, json: Json = False,
) -> None:  # fmt: skip
    """Send letters to their topics again, each once. Mend what killed them first."""
    _check(reason)
    carry_out(_deal("redriven", names, every, topic, reason, run, by, note, dry_run, json))


@app.command("discard")
def discard(
    names: Names = None, every: Every = False, topic: Topic = None, reason: Reason = None,
    run: Run = None, by: By = None, note: Note = None, dry_run: DryRun = False, json: Json = False,
) -> None:  # fmt: skip
    """Put letters aside: they are listed and redriven no more."""
    _check(reason)
    carry_out(_deal("discarded", names, every, topic, reason, run, by, note, dry_run, json))


def _check(reason: str | None) -> None:
    """A reason that no letter can have selects nothing, which would look like good news."""
    from typing import get_args

    from actalog_bus.ports import Reason

    known = get_args(Reason)
    if reason is not None and reason not in known:
        raise typer.Exit(complain(f"--reason {reason}: there are {', '.join(known)}", USAGE))


async def _list(
    topic: str | None, reason: str | None, run: str | None, every: bool, json: bool
) -> int:
    from actalog.cli.dealing import Dealing
    from actalog.cli.output import shorten, table, write_json

    async with Dealing.open() as dealing:
        found = [
            one for one in await dealing.select(topic, reason, run) if every or one.fate is None
        ]
    if json:
        write_json([summary(one) for one in found])
        return FINE
    told = [summary(one) for one in found]
    table(
        ["letter", "reason", "type", "run", "tries", "when", "error", "fate"],
        ((one["letter"], one["reason"], one["type"], one["run_id"], one["attempts"],
          f"{one['at']:%Y-%m-%d %H:%M:%S}", shorten(one["error"]), _fate(one)) for one in told),
        none="No dead letters.",
    )  # fmt: skip
    return FINE


async def _show(name: str, json: bool) -> int:
    from actalog.cli.dealing import Dealing
    from actalog.cli.output import console, write_json
    from actalog_core.visible import visible

    async with Dealing.open() as dealing:
        letter = await dealing.find(name)
    if letter is None:
        return complain(f"there is no dead letter {name}", USAGE)
    told = whole(letter)
    if json:
        write_json(told)
        return FINE
    out = console()
    for title, value in told.items():
        if title not in ("headers", "value"):
            out.print(visible(f"{title:10} {value if value is not None else ''}"), markup=False)
    for header, value in told["headers"].items():
        out.print(visible(f"  {header}: {value}"), markup=False)
    out.print(told["value"], markup=False)
    return FINE


async def _deal(
    action: Any, names: list[str] | None, every: bool, topic: str | None, reason: str | None,
    run: str | None, by: str | None, note: str | None, dry_run: bool, json: bool,
) -> int:  # fmt: skip
    from actalog.cli.dealing import Dealing
    from actalog.cli.output import write_json
    from actalog.cli.who import me

    if bool(names) == every:
        return complain("name letters, or give --all", USAGE)
    async with Dealing.open() as dealing:
        if names:
            letters = [await dealing.find(name) for name in names]
            if None in letters:
                missing = names[letters.index(None)]
                return complain(f"there is no dead letter {missing}", USAGE)
        else:
            selected = await dealing.select(topic, reason, run)
            letters = [one for one in selected if one.fate is None]
        done: list[dict[str, Any]] = []
        for letter in (one for one in letters if one is not None):
            said = await dealing.deal(letter, action, by=by or me(), note=note, dry_run=dry_run)
            done.append({"letter": letter.name, "done": said is None, "refused": said})
    if json:
        write_json(done)
    else:
        _say(action, done, dry_run)
    return FINE if all(one["done"] for one in done) else WRONG


def _say(action: str, done: list[dict[str, Any]], dry_run: bool) -> None:
    for one in done:
        would = "would be " if dry_run else ""
        print(f"{one['letter']}: {one['refused'] or would + action}")
    if not done:
        print("No dead letters.")


def summary(letter: "Letter") -> dict[str, Any]:
    """One letter in a line."""
    from datetime import UTC, datetime

    from actalog_bus.dead import redrives

    told, named = letter.told, letter.named()
    at = datetime.fromtimestamp(letter.record.timestamp_ms / 1_000, UTC)
    tries = told.get("dlq-attempts", "")
    return {
        "letter": letter.name, "reason": told.get("dlq-reason", "?"),
        "error": told.get("dlq-error", ""), "attempts": int(tries) if tries.isdecimal() else None,
        "source": "/".join(
            told[f"dlq-source-{name}"] for name in ("topic", "partition", "offset")
        ),
        "type": named["type"], "run_id": named["run_id"], "tenant_id": named["tenant_id"],
        "at": at, "redrives": redrives(letter.record),
        "fate": letter.fate,
    }  # fmt: skip


def whole(letter: "Letter") -> dict[str, Any]:
    """Everything about it. What is not UTF-8 is shown with escapes."""
    return {
        **summary(letter),
        "key": _text(letter.record.key),
        "headers": {name: _text(value) for name, value in letter.record.headers},
        "value": _text(letter.record.value),
    }


def _text(value: bytes | None) -> str | None:
    """Safe on a terminal: control characters of others are not obeyed."""
    if value is None:
        return None
    told = value.decode("utf-8", "backslashreplace")
    return "".join(one if one.isprintable() or one in "\n\t" else repr(one)[1:-1] for one in told)


def _fate(told: dict[str, Any]) -> str:
    fate = told["fate"]
    return f"{fate.action} by {fate.by}" if fate is not None else ""
