"""The pieces of the command line that need no server."""

import io
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from actalog.cli import author, platform_file, task_file
from actalog.cli.acls import acls
from actalog.cli.answering import Answer
from actalog.cli.board import Board
from actalog.cli.common import complain
from actalog.cli.greeting import without_password
from actalog.cli.lock import HomeLock
from actalog.cli.output import plain, shorten, table, write_json
from actalog.cli.summaries import moment
from actalog.cli.tasks import failed, summary
from actalog.embedded.home import ours
from actalog.embedded.ports import usable_port
from actalog.embedded.postgres import EmbeddedPostgres
from actalog.scripted_models import scripted_unless_named
from actalog_bus.processes import free_port
from actalog_core.errors import SettingMissing
from actalog_core.settings import Settings
from tests.leftovers import remove_moved

NOW = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
from actalog.cli.board import answer
from docs.generate.cli import commands

# platform.json and the home


def told(pid: int) -> platform_file.PlatformFile:
    return platform_file.PlatformFile(
        pid=pid, kafka="k:9092", database_url="postgresql://d", http="http://h", started_at="t"
    )


def test_a_platform_that_runs_is_found(tmp_path: Path):
    platform_file.write(str(tmp_path / "new"), told(os.getpid()))
    assert platform_file.read(str(tmp_path / "new")) == told(os.getpid())


def test_the_file_of_a_killed_platform_is_none(tmp_path: Path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    platform_file.write(str(tmp_path), told(ended.pid))
    assert platform_file.read(str(tmp_path)) is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "x"}'])
def test_half_a_file_is_none(tmp_path: Path, content: str):
    platform_file.path_of(str(tmp_path)).write_text(content)
    assert platform_file.read(str(tmp_path)) is None


def test_the_file_of_another_platform_is_left_alone(tmp_path: Path):
    platform_file.write(str(tmp_path), told(os.getppid()))
    platform_file.remove(str(tmp_path))
    assert platform_file.path_of(str(tmp_path)).exists()


def test_the_file_is_for_its_owner_only(tmp_path: Path):
    platform_file.write(str(tmp_path), told(os.getpid()))
    assert platform_file.path_of(str(tmp_path)).stat().st_mode & 0o077 == 0


def test_a_home_has_one_platform(tmp_path: Path):
    first, second = HomeLock(str(tmp_path)), HomeLock(str(tmp_path))
    first.take()
    with pytest.raises(SettingMissing, match="ACTALOG_HOME"):
        second.take()
    first.release()
    second.take()
    second.release()


def link(folder: Path) -> None:
    (folder.parent / "other").mkdir()
    folder.symlink_to(folder.parent / "other")


def open_to_all(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)


@pytest.mark.parametrize("make", [link, open_to_all, Path.touch])
def test_a_folder_that_another_user_prepared_is_not_written_to(
    tmp_path: Path, make: Callable[[Path], None]
):
    make(tmp_path / "actalog-x")
    with pytest.raises(SettingMissing, match="somebody else's"):
        ours(tmp_path / "actalog-x")


def test_a_folder_of_our_own_is_taken_again(tmp_path: Path):
    ours(tmp_path / "actalog-x")
    ours(tmp_path / "actalog-x")


def test_data_that_moved_names_its_home_and_goes_with_the_tests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("actalog.embedded.postgres._owner", lambda: "nobody")
    monkeypatch.setattr("actalog.embedded.postgres._reachable", lambda path: False)  # pyright: ignore
    moved = EmbeddedPostgres(tmp_path / "home").data.parent
    assert moved.parent == Path(tempfile.gettempdir())
    assert (moved / "home").read_text() == f"{tmp_path / 'home'}\n"
    with tempfile.TemporaryDirectory(prefix="actalog-bench-") as another:
        (Path(another) / "home").mkdir()
        assert moved not in remove_moved(tmp_path / "another")
        assert moved in remove_moved(tmp_path)
    assert not moved.exists()
    kept = EmbeddedPostgres(tmp_path / "home").data.parent
    (tmp_path / "home").rmdir()
    assert kept in remove_moved(tmp_path / "another")


def test_a_port_that_nobody_asked_for_gives_way():
    taken = free_port()
    import socket

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", taken))
        sock.listen()
        assert usable_port("127.0.0.1", taken, wanted=None) != taken
        with pytest.raises(SettingMissing, match=f"--port: port {taken} is taken"):
            usable_port("127.0.0.1", taken, wanted="--port")
    assert usable_port("127.0.0.1", taken, wanted="--port") == taken
    assert usable_port("127.0.0.1", 0, wanted="ACTALOG_PORT") > 0  # which others are told


# The author's App


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ("app", "MODULE:NAME is wanted"),
        ("nowhere:app", "there is no module nowhere"),
        ("actalog.nowhere:app", "there is no module actalog.nowhere"),
        ("json:nothing", "no App is called nothing there."),
        ("json.decoder:FLAGS", "no App is called FLAGS there, only a RegexFlag"),
        ("json:dumps", r"dumps is a function; write `app = dumps\(\)` in the module"),
        ("json.py:dumps", "there is no module json.py. Write json without .py"),
    ],
)
def test_an_app_that_is_not_there_is_told(named: str, says: str):
    with pytest.raises(SettingMissing, match=says):
        author.load(named)


# Tasks


def test_a_task_gets_ids_only_where_it_has_none(tmp_path: Path):
    file = tmp_path / "tasks.jsonl"
    file.write_text('{"target": "a", "input": "x"}\n\n{"run_id": "r", "session_id": "s"}\n')
    first, second = task_file.read(file)
    assert first["run_id"] == first["session_id"]
    assert second == {"run_id": "r", "session_id": "s"}
    assert task_file.read(file)[0]["run_id"] != first["run_id"]


@pytest.mark.parametrize(
    "line",
    ["{", "[]", "null", '{"input": NaN}', '{"input": "a\\u0000"}', '{"a": ' + "[" * 10_000],
)
def test_a_line_that_is_no_task_is_named(tmp_path: Path, line: str):
    file = tmp_path / "tasks.jsonl"
    file.write_text('{"target": "a", "input": "x"}\n' + line)
    with pytest.raises(SettingMissing, match="line 2"):
        task_file.read(file)


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"status": "completed"}, False),
        ({"status": "paused"}, False),
        ({"status": "blocked"}, False),
        ({"status": "failed"}, True),
        ({"type": "message.refused.v1"}, True),
    ],
)
def test_what_failed_is_told_from_what_a_person_or_guardrail_stopped(
    result: dict[str, Any], expected: bool
):
    assert failed(result) is expected


def test_results_are_counted():
    results = [{"status": "completed"}, {"status": "completed"}, {"status": "failed"}]
    assert summary(results, 1.26) == "3 results in 1.3 s: 2 completed, 1 failed"


# Answers as they are written


def delta(text: str, offset: int, *, call: str = "c", epoch: int = 1) -> dict[str, Any]:
    return {"type": "stream.delta.v1", "run_id": "r", "call_id": call, "epoch": epoch,
            "offset": offset, "text": text, "kind": "text"}  # fmt: skip


class Scripted:
    """A follower that says what the test says."""

    def __init__(self, *told: dict[str, Any]) -> None:
        self.told = told

    async def messages(self) -> Any:
        for one in self.told:
            yield one


async def written(*told: dict[str, Any], whole: str) -> str:
    out = io.StringIO()
    stdout, sys.stdout = sys.stdout, out
    try:
        answer = Answer("r", write=True)
        end = {"type": "run.result.v1", "run_id": "r", "output": whole}
        await answer.result(Scripted(*told, end))  # pyright: ignore[reportArgumentType]
        answer.finish(whole)
    finally:
        sys.stdout = stdout
    return out.getvalue()


async def test_an_answer_is_written_once():
    assert await written(delta("He", 0), delta("llo", 2), whole="Hello") == "Hello\n"


async def test_what_comes_twice_or_too_late_is_written_once():
    said = await written(delta("He", 0), delta("He", 0), delta("o", 4), whole="Hello")
    assert said == "Hello\n"


async def test_two_attempts_are_never_spliced():
    said = await written(
        delta("Hal", 0), delta("Hello", 0, epoch=2), delta("late", 3), whole="Hello"
    )
    assert said == "Hal\nHello\n"


async def test_an_answer_that_a_review_changed_is_shown_whole():
    assert await written(delta("card 4111", 0), whole="card ****") == "card 4111\ncard ****\n"


def test_the_board_shows_results_and_why():
    out = io.StringIO()
    with Board(Console(file=out, width=120)) as board:
        board.asked("r", "Where is\nmy order?")
        board.delta(delta("It", 0))
        board.delta({**delta("x", 0), "run_id": "another"})
        board.result({"run_id": "r", "status": "failed", "target": "agent:a",
                      "error": {"code": "model_failed", "message": "no key"}})  # fmt: skip
    assert "failed" in out.getvalue()
    assert "Where is my order?" in out.getvalue()
    assert "model_failed: no key" in out.getvalue()


def test_the_board_obeys_nobody_and_shows_what_is_decided_upon():
    call = {"name": "refund", "arguments": {"to": "p\u0430ypal\u202e"}}
    asked = {"id": "q", "run_id": "r", "tool_call": call}
    out = io.StringIO()
    with Board(Console(file=out, width=120)) as board:
        board.asked("r", "\x1b[2Jhello")
        board.result({"run_id": "r", "status": "paused", "requirements": [asked]})
    assert "\x1b" not in out.getvalue()
    assert "\\u001b[2Jhello" in out.getvalue()
    assert r'refund({"to": "p\u0430ypal\u202e"})' in out.getvalue()


async def test_an_answer_is_not_obeyed():
    assert await written(delta("\x1b[2J", 0), whole="\x1b[2Jx") == "\\u001b[2Jx\n"


def test_what_is_told_is_not_obeyed(capsys: pytest.CaptureFixture[str]):
    table(["run"], [["\x1b]0;x\x07"]], none="")
    write_json({"said": "\x9b2J\u202e"})
    complain("no run \x1b[2J")
    told = capsys.readouterr()
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(told.out + told.err)
    assert json.loads(told.out.partition("{")[1] + told.out.partition("{")[2]) == {
        "said": "\x9b2J\u202e"
    }


# Smaller ones


def test_times_are_ages_or_moments():
    assert moment("10m", NOW) == datetime(2026, 1, 2, 11, 50, tzinfo=UTC)
    assert moment("2026-01-01T00:00:00Z", NOW) == datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(SettingMissing, match="10m"):
        moment("soon", NOW)


def test_an_error_is_one_line(capsys: pytest.CaptureFixture[str]):
    assert complain("one\n  two") == 2
    assert capsys.readouterr().err == "actalog: one two\n"


def test_a_password_is_not_shown():
    assert without_password("postgresql://u:secret@h/d") == "postgresql://u:***@h/d"
    assert without_password("postgresql://u@h/d") == "postgresql://u@h/d"
    told = without_password("postgresql://h/d?user=u&password=secret&sslmode=disable")
    assert told == "postgresql://h/d?user=u&password=***&sslmode=disable"


def test_bytes_and_times_have_a_plain_form():
    told = plain({"hash": b"\x01", "at": NOW, "set": frozenset({1})})
    assert json.dumps(told) == '{"hash": "01", "at": "2026-01-02T12:00:00.000000Z", "set": [1]}'
    assert shorten("a  b\nc" * 50, 10) == "a b ca b …"


def test_acls_follow_the_table_of_topics():
    made = acls(prefix="p", bootstrap="k:9092", reply_topics="a, shop.*,[ab]*,*")
    told = [one.partition("--producer --topic ")[2] for one in made[-3:]]
    assert told == ["a", "shop. --resource-pattern-type prefixed", "'*'"]  # where results may go
    assert any("User:p-llm --consumer --topic p.llm.commands --group p.llm" in one for one in made)
    assert any("User:p-llm --producer --topic p.llm.commands.dlq" in one for one in made)
    assert not any("User:p-tools --consumer --topic p.llm.commands" in one for one in made)
    # Every service asks whether its database is as old as what was heard.
    assert any("User:p-llm --operation Describe --group p.conductor" in one for one in made)


def test_the_scripted_model_answers_only_where_no_key_is_set():
    pointed, server = scripted_unless_named(Settings())
    assert server is not None
    assert pointed.openai_base_url == f"{server.base_url}/v1"
    for named in (Settings(openai_api_key="k"), Settings(provider_urls={"ollama": "http://o"})):
        assert scripted_unless_named(named) == (named, None)


def test_help_names_every_command():
    said = subprocess.run(
        [sys.executable, "-m", "actalog", "--help"], capture_output=True, text=True, check=True
    ).stdout
    for name in ("up", "service", "deploy", "run", "topics", "migrate", "status", "runs",
                 "sessions", "requirements", "resolve", "cancel", "log", "prompt", "rebuild",
                 "replay", "recover", "doctor"):  # fmt: skip
        assert f"\n  {name} " in said


def test_help_imports_nothing_heavy():
    code = (
        "import sys; import actalog.cli.main;"
        "print([n for n in ('pydantic', 'aiokafka', 'asyncpg', 'fastapi', 'openai')"
        " if n in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_every_command_has_a_line_of_help_and_a_form_for_machines():
    found = dict(commands())
    assert len(found) == 22
    for name, command in found.items():
        assert command.help, name
        assert "--json" in [option for one in command.params for option in one.opts], name


def test_the_version_is_told():
    done = subprocess.run(
        [sys.executable, "-m", "actalog", "--version"], capture_output=True, text=True, check=True
    )
    assert re.fullmatch(r"actalog \d+\.\d+\.\d+\n", done.stdout)


def test_a_result_is_told_as_text_json_a_reference_or_what_is_waited_for():
    call = {"name": "refund", "arguments": {"order": "ü"}}
    waits = {"id": "q", "run_id": "r", "tool_call": call}
    assert answer({"status": "paused", "requirements": [waits]}).splitlines()[1:] == [
        'refund({"order": "ü"}): actalog resolve r q --approve'
    ]
    doubt = {"status": "paused", "requirements": [{**waits, "kind": "in_doubt"}]}
    assert answer(doubt).endswith("actalog resolve r q --done or --not-done")
    assert answer({"status": "completed", "output": {"a": [1]}}) == '{"a": [1]}'
    assert answer({"status": "completed", "output": "said"}) == "said"
    assert answer({"status": "completed", "output": None}) == ""
    large = {"bytes": 5_000_000, "url": "/v1/blobs/x"}
    assert answer({"status": "completed", "output_ref": large}) == "5000000 bytes: /v1/blobs/x"
    assert answer({"error": {"code": "c", "message": "m"}}) == "c: m"
