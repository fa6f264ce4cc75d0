"""How a command ends: 0 fine, 1 found wrong, 2 wrong usage or nothing there."""

import contextlib
import os
import sys

import pytest

from actalog.cli.common import carry_out
from actalog.cli.output import table
from actalog_core.errors import ActalogError, ChainBroken, SettingMissing, Transient
from actalog_llm.prompt.record import NotAsRecorded


async def ends(status: int | None) -> int | None:
    return status


async def fails(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(("told", "status"), [(None, 0), (0, 0), (1, 1), (2, 2)])
def test_a_command_ends_with_its_status(told: int | None, status: int):
    with pytest.raises(SystemExit) as end:
        carry_out(ends(told))
    assert end.value.code == status


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ChainBroken("run_no 7, seq 3"), 1), (NotAsRecorded("part 2"), 1),
        (SettingMissing("ACTALOG_PORT: a number"), 2), (Transient("no broker"), 2),
    ],
)  # fmt: skip
@pytest.mark.parametrize("grouped", [False, True])
def test_an_error_is_one_line_and_what_was_changed_is_found_wrong(
    error: ActalogError, status: int, grouped: bool, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as end:
        carry_out(fails(ExceptionGroup("tasks", [error]) if grouped else error))
    assert end.value.code == status
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert error.detail in told


def test_a_table_whose_reader_has_left_is_no_finding(monkeypatch: pytest.MonkeyPatch):
    """`actalog runs | head -1`: rich would end the process with status 1, found wrong."""
    reads, writes = os.pipe()
    os.close(reads)
    out = os.fdopen(writes, "w")
    monkeypatch.setattr(sys, "stdout", out)
    with pytest.raises(BrokenPipeError):  # what `carry_out` takes for the end
        table(["run"], [("r",)], none="No such run.")
    monkeypatch.undo()
    with contextlib.suppress(BrokenPipeError):
        out.close()
