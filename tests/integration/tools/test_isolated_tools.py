"""Tools with processes of their own: whatever they do, they harm only themselves."""

import asyncio
import importlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actalog_contracts.runs import StateOp, ToolFailed, ToolInDoubt, ToolReturned
from actalog_core import metrics
from actalog_core.settings import Settings
from actalog_tools.isolated import pool
from actalog_tools.reconciling import NOT_DONE, Done
from actalog_tools.signatures import BadFunction
from tests.integration.tools import wild
from tests.integration.tools.world import World, until


def lives(pid: int) -> bool:
    """Whether there is such a process; a zombie is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def pid_in(text: str) -> int:
    return int(text.rpartition(" ")[2])


def killed(reason: str) -> float:
    labels = {"reason": reason}
    return metrics.REGISTRY.get_sample_value("actalog_isolated_killed_total", labels) or 0.0


def alive() -> float:
    return metrics.REGISTRY.get_sample_value("actalog_isolated_workers") or 0.0


class Journal:
    """What tools did outside."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def lines(self) -> list[str]:
        path = self.folder / "journal"
        return path.read_text().splitlines() if path.exists() else []

    def pids(self) -> list[int]:
        return [pid_in(line) for line in self.lines()]

    def arguments(self, **more: Any) -> str:
        return json.dumps({"folder": str(self.folder), **more})


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path)


@pytest.fixture(autouse=True)
def alive_at_the_end() -> Iterator[None]:
    """Every worker that a test started is counted down again."""
    before = alive()
    yield
    assert alive() == before


async def test_plain_and_async_callables_run_elsewhere_and_a_worker_is_used_again(world: World):
    await world.start(fine=wild.fine, later=wild.later, pieces=wild.pieces)
    first = await world.content("fine", '{"number": 7}')
    assert first.startswith("7 in ")
    assert pid_in(first) != os.getpid()
    assert pid_in(await world.content("later", call_id="2")) == pid_in(first)
    assert await world.content("pieces", call_id="3") == "one two"
    assert pid_in(await world.content("fine", call_id="4")) == pid_in(first)
    refused = await world.failed("fine", '{"number": "x"}', call_id="5")
    assert refused.kind == "arguments"


async def test_what_is_given_by_name_crosses_and_changes_of_the_state_come_back(world: World):
    await world.accept(metadata='{"trace": 1}')
    await world.start(knows=wild.knows, bad=wild.bad_state)
    told = await world.run("knows")
    assert isinstance(told, ToolReturned)
    said = json.loads(told.content)
    assert said.pop("key")
    assert said == {"run": "r1", "user": "ann", "colour": "red", "trace": 1, "calling": "r1"}
    assert told.state_ops == (StateOp(op="set", key="seen", value='["r1"]'),)
    failed = await world.failed("bad", '{"much": false}', call_id="2")
    assert (failed.kind, "session_state['x']" in failed.message) == ("raised", True)
    assert (await world.failed("bad", '{"much": true}', call_id="3")).kind == "limit"


@pytest.mark.parametrize(("name", "effect"), [("hangs", "once"), ("spins", "read_only")])
async def test_the_deadline_kills_what_ignores_signals_and_blocks_and_a_neighbour_is_unharmed(
    world: World, journal: Journal, name: str, effect: str
):
    await world.start(hangs=getattr(wild, name), fine=wild.fine)
    before = killed("timeout")
    await world.ask("hangs", journal.arguments(), timeout_ms=500, effect=effect)
    await until(journal.lines)
    await world.ask("fine", call_id="2")
    await until(lambda: len(world.outcomes()) == 1)  # the neighbour does not wait for it
    assert isinstance(world.outcomes()[0], ToolReturned)
    await world.bus.drained()
    failed = world.outcomes()[1]
    assert isinstance(failed, ToolFailed)
    assert failed.kind == "timeout"
    assert "may have acted" in failed.message
    assert not lives(journal.pids()[0])
    assert killed("timeout") == before + 1


@pytest.mark.kills
@pytest.mark.parametrize("then", ["return", "exit", "hang"])
@pytest.mark.parametrize("how", ["plain", "program", "session", "daemon"])
async def test_children_die_with_the_call_however_it_ends_and_wherever_they_went(
    world: World, journal: Journal, how: str, then: str
):
    await world.start(forks=wild.forks, fine=wild.fine)
    told = await world.run("forks", journal.arguments(how=how, then=then), timeout_ms=1_000)
    match then:
        case "return":
            assert told.content == "returned"
        case "exit":
            assert isinstance(told, ToolInDoubt)
            assert "status 3" in told.message
        case _:
            assert told.kind == "timeout"
    (pid,) = journal.pids()
    assert not lives(pid)
    assert (await world.content("fine", call_id="2")).startswith("1 in")


async def test_a_callable_that_comes_back_in_two_processes_answers_once(world: World):
    await world.start(twice=wild.comes_back_twice, fine=wild.fine)
    assert await world.content("twice") == "parent"
    assert (await world.content("fine", call_id="2")).startswith("1 in")


async def test_memory_without_bound_is_an_error_of_the_tool_and_its_process_is_not_used_again(
    world: World,
):
    await world.start(allocates=wild.allocates, fine=wild.fine)
    worker = pid_in(await world.content("fine", call_id="1"))
    failed = await world.failed("allocates", call_id="2")
    assert (failed.kind, failed.message) == ("raised", "MemoryError")
    assert not lives(worker)
    assert pid_in(await world.content("fine", call_id="3")) != worker


@pytest.mark.parametrize(
    ("how", "said"),
    [("exit", "ended itself with status 9"), ("segfault", "SIGSEGV"),
     pytest.param("abort", "SIGABRT", marks=pytest.mark.kills),
     pytest.param("kill", "SIGKILL", marks=pytest.mark.kills)],
)  # fmt: skip
async def test_what_declares_nothing_and_dies_is_in_doubt_and_not_run_again(
    world: World, journal: Journal, how: str, said: str
):
    await world.start(dies=wild.dies)
    told = await world.run("dies", journal.arguments(how=how))
    assert isinstance(told, ToolInDoubt)
    assert said in told.message
    assert len(journal.lines()) == 1


@pytest.mark.parametrize(
    "effect", ["idempotent", pytest.param("read_only", marks=pytest.mark.kills)]
)
async def test_what_may_run_again_does_a_few_times_with_the_same_key_and_then_has_failed(
    world: World, journal: Journal, effect: str
):
    await world.start(dies=wild.dies, dies_once=wild.dies_once)
    failed = await world.failed("dies", journal.arguments(how="exit"), effect=effect)
    assert failed.kind == "internal"
    assert "was run 3 times" in failed.message
    assert len({line.split()[0] for line in journal.lines()}) == 1
    assert len(set(journal.pids())) == 3
    (journal.folder / "journal").unlink()
    again = await world.content("dies_once", journal.arguments(), effect=effect, call_id="2")
    assert again == "second"


@pytest.mark.parametrize(("found", "runs"), [(Done("charged before"), 1), (NOT_DONE, 3), (None, 1)])
async def test_the_reconciler_of_what_died_is_asked(
    world: World, journal: Journal, found: Any, runs: int
):
    asked: list[str] = []

    def asks(idempotency_key: str) -> Any:
        asked.append(idempotency_key)
        return found

    dies = wild.dies.over(wild.dies.entrypoint, reconciler=asks)
    await world.start(dies=dies)
    told = await world.run("dies", journal.arguments(how="exit"), effect="reconciled")
    assert len(journal.lines()) == len(asked) == runs
    match told:
        case ToolReturned():
            assert told.content == "charged before"
        case ToolFailed():
            assert (told.kind, found) == ("internal", NOT_DONE)
        case _:
            assert found is None


async def test_printing_does_not_disturb_and_what_is_no_answer_ends_its_process(world: World):
    await world.start(prints=wild.prints, writes=wild.writes)
    assert await world.content("prints", '{"megabytes": 5}', call_id="1") == "printed"
    for descriptor in (1, 2):
        told = await world.run(
            "writes", f'{{"descriptor": {descriptor}}}', call_id=f"w{descriptor}"
        )
        assert told.content == "written"
    told = await world.run("writes", '{"descriptor": 0}', call_id="w0")  # open for reading only
    assert (told.kind, "Bad file descriptor" in told.message) == ("raised", True)
    told = await world.run("writes", '{"descriptor": 3}', call_id="w3")
    assert isinstance(told, ToolInDoubt)
    assert "no answer" in told.message


async def test_a_giant_result_is_cut_where_it_was_made(world: World):
    await world.start(much=wild.says_much)
    told = await world.run("much", '{"characters": 3000000}', output_limit=1_000)
    assert told.truncated
    assert len(told.content) <= 1_000
    assert told.content.endswith("of 3,000,000 characters]")


async def test_what_closes_everything_is_in_doubt(world: World):
    await world.start(closes=wild.closes_everything, fine=wild.fine)
    assert isinstance(await world.run("closes"), ToolInDoubt)
    assert (await world.content("fine", call_id="2")).startswith("1 in")


RAISED = {
    "exit": "SystemExit: 4", "interrupt": "KeyboardInterrupt", "odd": "Odd",
    "deep": "RecursionError", "no stock": "ValueError: no stock",
}  # fmt: skip


async def test_whatever_it_raises_is_told_as_text_and_its_worker_is_used_again(world: World):
    await world.start(raises=wild.raises, fine=wild.fine)
    worker = pid_in(await world.content("fine", call_id="0"))
    for what, said in RAISED.items():
        failed = await world.failed("raises", json.dumps({"what": what}), call_id=what)
        assert failed.kind == "raised"
        assert failed.message.startswith(said)
    assert pid_in(await world.content("fine", call_id="2")) == worker


async def test_what_has_no_text_form_is_told(world: World):
    await world.start(odd=wild.odd_result, limits=wild.limits)
    failed = await world.failed("odd")
    assert (failed.kind, "has no JSON form" in failed.message) == ("raised", True)
    assert json.loads(await world.content("limits", call_id="2")) == {"core": 0, "stdin": ""}


async def test_a_thread_that_is_left_behind_does_nothing_more(world: World, journal: Journal):
    await world.start(starts=wild.starts_a_thread)
    pid = pid_in(await world.content("starts", journal.arguments()))
    assert not lives(pid)
    await asyncio.sleep(0.5)
    assert journal.lines() == []


@pytest.mark.parametrize("what", ["alarm", "folder", "no folder", "limit"])
async def test_what_a_call_leaves_in_its_process_is_not_there_for_the_next(world: World, what: str):
    await world.start(leaves=wild.leaves, fine=wild.fine)
    left = await world.content("leaves", json.dumps({"what": what}))
    assert pid_in(await world.content("fine", call_id="2")) != pid_in(left)


async def test_a_module_that_fails_in_a_worker_is_told_with_its_reason_and_tried_once(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.syspath_prepend(tmp_path)
    module = tmp_path / "fails_elsewhere.py"
    module.write_text("from actalog.tools import tool\n@tool(isolated=True)\ndef f() -> str: ...\n")
    await world.start(f=importlib.import_module("fails_elsewhere").f)
    module.write_text("raise RuntimeError('no licence for the library')  # nor in the same second")
    failed = await world.failed("f", effect="read_only")
    assert failed.kind == "internal"
    assert failed.message == (
        "its module cannot be imported in a worker: RuntimeError: no licence for the library"
    )
    monkeypatch.delitem(sys.modules, "fails_elsewhere")


async def test_many_at_once_share_a_bounded_number_of_processes(monkeypatch: pytest.MonkeyPatch):
    world = World(settings=Settings(lease_ms=60_000, isolated_workers=3))
    await world.start(later=wild.later)
    for at in range(30):
        await world.ask("later", call_id=str(at))
    await world.bus.drained()
    contents = [one.content for one in world.outcomes() if isinstance(one, ToolReturned)]
    assert len(contents) == 30
    assert len({pid_in(one) for one in contents}) <= 3
    await world.stop()


async def test_when_the_guardian_dies_its_workers_do_and_the_next_call_has_another(
    world: World, journal: Journal
):
    await world.start(hangs=wild.hangs, fine=wild.fine)
    await world.ask("hangs", journal.arguments())
    await until(journal.lines)
    guardian = isolated_of(world).guardian
    assert guardian is not None
    guardian.process.kill()
    await world.bus.drained()
    (told,) = world.outcomes()
    assert isinstance(told, ToolInDoubt)
    await until(lambda: not lives(journal.pids()[0]))
    assert (await world.content("fine", call_id="2")).startswith("1 in")


async def test_when_the_service_stops_nothing_is_left_and_the_call_is_left_to_others(
    journal: Journal,
):
    world = await World().start(forks=wild.forks)
    await world.ask("forks", journal.arguments(how="daemon", then="hang"), timeout_ms=60_000)
    await until(journal.lines)
    guardian = isolated_of(world).guardian
    assert guardian is not None
    await world.bus.stop(0.05)  # it is given a grace, and its lease is left to run out
    await world.service.stop()
    assert not lives(journal.pids()[0])
    assert guardian.process.returncode == 0
    assert world.outcomes() == []


async def test_a_call_that_finds_its_service_stopped_is_not_taken_for_one_that_died(
    world: World, journal: Journal
):
    await world.start(hangs=wild.hangs)
    await world.ask("hangs", journal.arguments(), effect="idempotent")
    await until(journal.lines)
    await isolated_of(world).stop()
    await asyncio.sleep(0.2)
    assert world.outcomes() == []
    assert not lives(journal.pids()[0])


async def test_a_callable_that_no_other_process_can_import_is_refused_at_the_start():
    def inner() -> str:
        return ""

    for one in (wild.fine.over(inner), wild.fine.over(lambda: "")):
        with pytest.raises(BadFunction, match=r"agent:a/tools/inner: .*top of a module"):
            await World().start(inner=one)


def isolated_of(world: World) -> pool.Isolated:
    (found,) = [one for one in world.service.parts if isinstance(one, pool.Isolated)]
    return found
