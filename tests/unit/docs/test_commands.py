"""What the documentation tells to type can be typed."""

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from actalog.cli.examining import known_variables
from actalog.cli.main import app
from tests.unit.docs.pages import NAMES, PAGES, ROOT, blocks, spans

GROUP: Any = typer.main.get_command(app)
SHELL = ("sh", "shell", "bash")
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
COMPOSE = {"ACTALOG_IMAGE", "ACTALOG_BIND"}  # settings of docker-compose.yml itself
NOT_OURS = re.compile(r"[|&;<>]|\s#")  # where a command ends


def typed(page: Path, name: str) -> Iterator[list[str]]:
    """Commands of `name` on a page: lines of shell blocks, and code in the text."""
    lines = [
        line
        for block in blocks(page)
        if block.info.split()[:1] and block.info.split()[0] in SHELL
        for line in block.text.replace("\\\n", " ").splitlines()
    ]
    for line in [*lines, *spans(page)]:
        for part in NOT_OURS.split(line):
            words = _words(part)
            while words and ("=" in words[0] or words[0] in ("exec", "$", "then", "docker")):
                words = words[1:]  # variables in front of it
            if words and words[0] == name:
                yield words


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return []


def parsed(words: Sequence[str]) -> None:
    """Parse a command line as the program does, without running it."""
    command, context, arguments = GROUP, None, words[1:]
    while hasattr(command, "commands"):
        if not arguments or arguments[0] in ("--help", "COMMAND"):
            return
        context = command.make_context(words[0], [], parent=context, resilient_parsing=True)
        assert arguments[0] in command.commands, f"there is no command {' '.join(words)}"
        command, arguments = command.commands[arguments[0]], arguments[1:]
    # A command that stands alone in a text names the command: it needs no arguments.
    if arguments and arguments != ["--help"]:
        command.make_context(command.name, list(arguments), parent=context)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_a_command_parses(page: Path):
    for words in typed(page, "actalog"):
        try:
            parsed(words)
        except Exception as error:
            raise AssertionError(f"{shlex.join(words)}: {error}") from error


def test_help_tells_every_command_in_one_whole_line():
    lines = CliRunner().invoke(app, ["--help"]).output.partition("Commands:")[2].splitlines()
    told = [line for line in lines if line.strip()]
    assert len(told) == len(GROUP.commands)
    assert [line for line in told if not line.endswith(".") or line.endswith("...")] == []


def test_a_wrong_command_is_found():
    for line in ("actalog fly", "actalog log r --at 3", "actalog prompt r --call none"):
        with pytest.raises(Exception, match=r"."):
            parsed(line.split())


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_a_target_of_make_exists(page: Path):
    for words in typed(page, "make"):
        assert {word for word in words[1:] if "=" not in word} <= TARGETS, words


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_a_setting_is_one_that_somebody_reads(page: Path):
    named = set(re.findall(r"\bACTALOG_[A-Z_]+[A-Z]\b", page.read_text()))
    assert named - known_variables() - COMPOSE == set()


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_a_service_is_one_that_is_there(page: Path):
    from actalog.names import NAMES as SERVICES

    for words in typed(page, "actalog"):
        if words[1:2] == ["service"] and len(words) > 2:
            assert words[2] in (*SERVICES, "NAME")
