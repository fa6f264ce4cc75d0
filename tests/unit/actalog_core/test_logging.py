import io
import json
import logging as stdlib
from collections.abc import Iterator

import pytest
import structlog

from actalog_core import logging


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is written, as JSON; structlog and the root logger are put back afterwards."""
    root = stdlib.getLogger()
    before = root.handlers[:], root.level
    written = io.StringIO()
    logging.configure(level="info", format="json", service="llm", to=written)
    yield written
    root.handlers[:], root.level = before
    structlog.reset_defaults()
    logging.plainly()


def test_a_line_names_its_service_and_its_run(lines: io.StringIO):
    with logging.about(lambda: {"run_id": "r-1", "session_id": "s-1"}):
        structlog.get_logger("test").info("asked", model="m")
    told = json.loads(lines.getvalue())
    assert told["service"] == "llm"
    assert (told["run_id"], told["session_id"], told["model"]) == ("r-1", "s-1", "m")


def test_outside_of_a_hearing_a_line_names_no_run(lines: io.StringIO):
    with logging.about(lambda: {"run_id": "r-1"}):
        pass
    structlog.get_logger("test").info("idle")
    assert "run_id" not in json.loads(lines.getvalue())


def test_who_the_line_is_about_is_asked_only_when_one_is_written(lines: io.StringIO):
    def tell() -> dict[str, str]:
        raise AssertionError("asked for nothing")

    with logging.about(tell):
        structlog.get_logger("test").debug("too quiet")
    assert lines.getvalue() == ""


def test_lines_of_libraries_have_the_same_form(lines: io.StringIO):
    with logging.about(lambda: {"run_id": "r-1"}):
        stdlib.getLogger("library").warning("careful")
    told = json.loads(lines.getvalue())
    assert (told["event"], told["level"], told["run_id"]) == ("careful", "warning", "r-1")


def breaks(key: str) -> None:
    """Unexpectedly, with a secret in its frame."""
    raise ZeroDivisionError(f"of {len(key)} letters")


@pytest.mark.parametrize("format", ["json", "console"])
@pytest.mark.parametrize("whose", ["ours", "a library's"])
def test_a_traceback_says_where_and_tells_no_values(lines: io.StringIO, format: str, whose: str):
    logging.configure(level="info", format=format, service="llm", to=lines)
    try:
        breaks("sk-" + "planted")
    except ZeroDivisionError:
        if whose == "ours":
            structlog.get_logger("test").exception("broken")
        else:
            stdlib.getLogger("a.library").exception("broken")
    told = lines.getvalue()
    assert "sk-planted" not in told
    assert "breaks" in told
    assert "ZeroDivisionError" in told
    assert "of 10 letters" in told


def test_a_program_that_has_not_set_structlog_up_tells_no_values_either(
    capsys: pytest.CaptureFixture[str],
):
    structlog.reset_defaults()
    try:
        logging.plainly()
        try:
            breaks("sk-" + "planted")
        except ZeroDivisionError:
            structlog.get_logger("test").exception("broken")
    finally:
        structlog.reset_defaults()
        logging.plainly()
    told = capsys.readouterr().out
    assert "ZeroDivisionError" in told
    assert "sk-planted" not in told


def test_what_a_program_has_set_up_stays(lines: io.StringIO):
    logging.plainly()
    structlog.get_logger("test").info("asked")
    assert json.loads(lines.getvalue())["event"] == "asked"


def test_a_person_who_watches_the_lines_is_shown_what_others_wrote_and_obeys_none_of_it():
    root = stdlib.getLogger()
    before = root.handlers[:], root.level
    written = io.StringIO()
    logging.configure(level="info", format="console", service="llm", to=written)
    try:
        with logging.about(lambda: {"run_id": "\x9b2J"}):
            try:
                raise ValueError("\x1b[2J\u202e")
            except ValueError:
                structlog.get_logger("test").exception("broke", error="\x1b[1A")
            stdlib.getLogger("library").warning("\x1b]0;title\x07")
    finally:
        root.handlers[:], root.level = before
        structlog.reset_defaults()
        logging.plainly()
    told = written.getvalue()
    assert not {"\x1b", "\x9b", "\x07", "\u202e"} & set(told)
    for shown in ("\\u009b2J", "ValueError: \\u001b[2J\\u202e", "\\u001b[1A", "\\u001b]0;title"):
        assert shown in told
