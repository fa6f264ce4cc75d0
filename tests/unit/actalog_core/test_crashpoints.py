"""Crash points: a process of its own ends or stops where it was told to, and nowhere else."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from actalog_core import crashpoints
from actalog_core.errors import SettingMissing
from actalog_core.settings import Settings

ROOT = Path(__file__).parents[3]
LOOP = """
import sys
from actalog_core import crashpoints
crashpoints.arm(sys.argv[1])
for number in range(1, 5):
    if crashpoints.armed:
        crashpoints.reach("bus.hearing")
        crashpoints.reach("bus.drained")
    print(number, flush=True)
"""


@pytest.fixture(autouse=True)
def unarmed() -> Iterator[None]:
    yield
    crashpoints.arm(None)


def process(told: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", LOOP, told],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.mark.parametrize(("told", "lived"), [("bus.hearing", ""), ("bus.hearing:3", "1\n2\n")])
def test_a_process_is_killed_at_the_passage_and_says_so_before(told: str, lived: str):
    made = process(told)
    out, said = made.communicate(timeout=20)
    assert (made.returncode, out) == (-signal.SIGKILL, lived)
    assert re.match(r"crashpoint bus\.hearing:\d killed \d+\n$", said)


def test_a_point_that_is_not_passed_so_often_kills_nobody():
    made = process("bus.hearing:5")
    out, said = made.communicate(timeout=20)
    assert (made.returncode, out, said) == (0, "1\n2\n3\n4\n", "")


def test_a_stopped_process_goes_on_after_sigcont():
    made = process("bus.drained:2:stop")
    _, status = os.waitpid(made.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    made.send_signal(signal.SIGCONT)
    out, said = made.communicate(timeout=20)
    assert out == "1\n2\n3\n4\n"
    assert "bus.drained:2 stopped" in said


@pytest.mark.parametrize(
    "told", ["bus", "bus.hearing:0", "bus.hearing:-1", "bus.hearing:x", "bus.hearing:1:2",
             "bus.hearing:stop:1", ":1", "bus.hearing:"],
)  # fmt: skip
def test_what_names_no_point_is_refused(told: str):
    with pytest.raises(SettingMissing, match="ACTALOG_CRASHPOINT"):
        crashpoints.arm(told)
    with pytest.raises(SettingMissing, match="ACTALOG_CRASHPOINT"):
        Settings.from_env({"ACTALOG_CRASHPOINT": told})


def test_an_unknown_point_is_told_with_those_that_there_are():
    with pytest.raises(SettingMissing, match=r"log\.committed"):
        crashpoints.arm("log.comitted")


def test_a_command_with_an_unknown_point_ends_before_it_does_anything():
    env = {**os.environ, "ACTALOG_CRASHPOINT": "nowhere"}
    made = subprocess.run(
        [sys.executable, "-m", "actalog", "service", "llm"], env=env, capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (made.returncode, made.stderr.count("\n")) == (2, 1)
    assert "there is no point 'nowhere'" in made.stderr


def test_nothing_is_armed_by_itself():
    assert crashpoints.armed is None
    crashpoints.arm("")
    assert crashpoints.armed is None


def test_every_point_is_described_and_is_in_the_code():
    names = get_args(crashpoints.Point)
    assert tuple(crashpoints.POINTS) == names
    reached = {
        name
        for folder in ("shared", "services", "actalog")
        for file in (ROOT / folder).rglob("*.py")
        for name in re.findall(r'crashpoints\.reach\("([^"]+)"\)', file.read_text())
    }
    assert reached == set(names)
