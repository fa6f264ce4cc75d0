"""From the argument parser."""

from collections.abc import Iterator
from typing import Any

import typer

from actalog.cli.main import app
from docs.generate.tables import code, page, table

ABOUT = """\
`actalog --help` lists the commands, `actalog COMMAND --help` describes one. Exit status: 0 fine; 1 found wrong (a
difference, a failed task, a log that was changed, topics that are not as they should be); 2 wrong usage, or something
cannot be reached; 130 interrupted. What went wrong is one line on standard error. With `--json` standard output is one JSON document.

Commands find the platform by the [settings](settings.md), else by `$ACTALOG_HOME/platform.json`, which a running
`actalog up` writes (`pid`, `kafka`, `database_url`, `http`, `started_at`)."""


def commands() -> Iterator[tuple[str, Any]]:
    """Every command by the words that name it, in the order in which they are registered."""
    yield from _within("actalog", typer.main.get_command(app))


def _within(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "commands"):
        yield name, command
        return
    for word, one in command.commands.items():
        yield from _within(f"{name} {word}", one)


def written() -> str:
    """The page."""
    parts: list[str] = []
    for name, command in commands():
        parts += [f"## {name}", command.help, f"```text\n{_usage(name, command)}\n```"]
        if rows := [_row(one) for one in command.params]:
            parts.append(table(["", "default", ""], rows))
    return page("Command line", ABOUT, *parts)


def _usage(name: str, command: Any) -> str:
    arguments = [_argument(one) for one in command.params if one.param_type_name == "argument"]
    options = ["[OPTIONS]"] if len(arguments) < len(command.params) else []
    return " ".join([name, *options, *arguments])


def _argument(one: Any) -> str:
    shown = one.metavar or one.name.upper()
    return shown if one.required else f"[{shown}]"


def _row(one: Any) -> tuple[str, str, str]:
    if one.param_type_name == "argument":
        return code(_argument(one)), "", one.help or ""
    default = "" if one.default in (None, False) else code(one.default)
    return code(f"{one.opts[0]}{_value(one)}"), default, one.help or ""


def _value(one: Any) -> str:
    if one.is_flag:
        return ""
    return f" {one.metavar or ('N' if 'Int' in type(one.type).__name__ else 'TEXT')}"
