"""The judge sees what is wrong, and what was never tried."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

import tests.chaos.recovery
from tests.chaos.faults import EVERYTHING, Injection
from tests.chaos.load import Load, Sent
from tests.chaos.oracle import Verdict, _lost, _repeated
from tests.chaos.recovery import recovery
from tests.chaos.running import late, lines, vacuous, waits
from tests.chaos.scenarios import SCENARIOS
from tests.chaos.script import Task

MIXED = next(one for one in SCENARIOS if one.name == "mixed")


def effect(tool: str, token: str, key: str = "k") -> dict[str, Any]:
    return {"tool": tool, "token": token, "key": key, "pid": 1, "at": 0.0}


def load(*, completed: int, waiting: int = 0) -> Load:
    """What a load knows once some have completed."""
    made = Load("x", bootstrap="", prefix="", gateways=list, seed=1)
    for n in range(completed + waiting):
        sent = Sent(Task(f"x-{n}", "plain", f"x-{n}", "", False), 1.0, accepted_at=2.0)
        made.sent[sent.task.run_id] = sent
        if n < completed:
            sent.ended_at, sent.result = 3.0, {"status": "completed"}
    return made


def injection(**more: Any) -> Injection:
    told: dict[str, Any] = {
        "fault": "llm killed", "at": 10.0, "whom": EVERYTHING, "in_flight": frozenset({"x-0"}),
        "evidence": "17 died", **more,
    }  # fmt: skip
    return Injection(**told)


@pytest.mark.parametrize(
    ("lines", "wrong"),
    [
        ([effect("pay", "t")], 0),
        ([effect("pay", "t"), effect("pay", "t")], 1),
        ([effect("wire", "t"), effect("wire", "t")], 1),
        ([effect("put", "t"), effect("put", "t")], 0),
        ([effect("put", "t"), effect("put", "t", "another")], 1),
        ([effect("look", "t"), effect("look", "t")], 0),
    ],
)
def test_effects_are_counted_by_what_was_declared(lines: list[dict[str, Any]], wrong: int):
    assert len(list(_repeated(lines))) == wrong


def test_what_was_accepted_and_is_nowhere_is_lost():
    assert len(list(_lost(load(completed=2), {}))) == 2


@pytest.mark.parametrize(
    ("injected", "tasks", "said"),
    [
        ([], load(completed=4), "no fault"),
        ([injection(evidence="")], load(completed=4), "did not happen"),
        ([injection(in_flight=frozenset())], load(completed=4), "nothing was in flight"),
        ([injection()], load(completed=1, waiting=3), "only 1 of 4"),
        ([injection()], load(completed=0), "only 0 of 0"),
    ],
)
def test_a_scenario_that_tried_nothing_does_not_pass(
    injected: list[Injection], tasks: Load, said: str
):
    (wrong,) = vacuous(MIXED, injected, tasks)
    assert said in wrong


def test_one_that_tried_something_passes():
    assert vacuous(MIXED, [injection()], load(completed=3, waiting=1)) == []


def test_lines_add_up_and_a_doubt_belongs_to_the_fault_before_it():
    verdict = Verdict(lost=1, repeated=2, doubts={"r c 1": 25.0})
    injected = [
        injection(),
        injection(at=20.0, fault="tools killed", away=[70.0]),
        injection(at=30.0),
    ]
    first, second = lines(injected, verdict, load(completed=5))
    assert (first["fault"], first["injected"], first["lost"], first["in_doubt"]) == (
        "llm killed", 2, 1, 0,
    )  # fmt: skip
    assert (second["injected"], second["lost"], second["in_doubt"]) == (1, 0, 1)
    assert sum(one["repeated_effects"] for one in (first, second)) == 2
    everything = {**second, "fault": "all services killed at once"}
    assert late([{**everything, "recovery_s": [88.9]}, {**first, "recovery_s": [18.9]}]) == []
    assert len(late([{**everything, "recovery_s": [89.1]}, {**first, "recovery_s": [19.1]}])) == 2


def test_a_run_that_is_hit_again_while_it_waits_is_counted_from_then(
    monkeypatch: pytest.MonkeyPatch,
):
    def hit(one: Injection, *_: object) -> bool:
        return one.whom != "llm-1"

    monkeypatch.setattr(tests.chaos.recovery, "_waits", hit)
    stored = [SimpleNamespace(recorded_at=datetime.fromtimestamp(at, UTC)) for at in (9, 17)]
    runs: Any = {"x-0": SimpleNamespace(stored=stored)}
    first, other, second = injection(), injection(at=12.0, whom="llm-1"), injection(at=14.0)
    assert recovery(first, runs, [other]) == [7.0]
    assert recovery(first, runs, [other, second]) == []
    assert recovery(second, runs) == [3.0]


def test_who_was_refused_when_a_gateway_died_waited_until_somebody_accepted():
    tasks = load(completed=1)
    tasks.http_waits = [(9.5, 10.7), (10.2, 10.4), (1.0, 2.0), (9.0, 9.9)]
    told = waits(injection(whom="gateway-1"), Verdict(), tasks)
    assert told == pytest.approx([0.7, 0.2])
