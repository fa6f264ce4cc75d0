"""The whole platform under a seed: a few seeds here, thousands with `python -m tests.simulation`."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.simulation import alone
from tests.simulation.aimed import (
    AIMED,
    clocks_are_wrong,
    commands_are_lost,
    everything_is_deployed,
    the_database_is_slow,
)
from tests.simulation.plan import Plan, plan
from tests.simulation.running import Report, kept, simulate

ROOT = Path(__file__).parents[2]
REBALANCED = 42  # a seed in which a group is disturbed while runs are on their way
SEEDS = [*kept(), *range(30), REBALANCED]
_reports: dict[int, Report] = {}


def report(seed: int) -> Report:
    if seed not in _reports:
        _reports[seed] = simulate(seed)
    return _reports[seed]


@pytest.mark.parametrize("seed", SEEDS)
def test_what_was_promised_holds_whatever_goes_wrong(seed: int):
    assert list(report(seed).broken) == []


@pytest.mark.parametrize("aimed", AIMED, ids=lambda one: one.__name__)
def test_what_was_promised_holds_where_a_plan_aims_at_it(aimed: Callable[[int], Plan]):
    for seed in (1, 2):
        told = simulate(seed, of=aimed(seed))
        assert told.hits
        assert list(told.broken) == []


def test_the_seeds_are_not_empty():
    """Every kind of fault hits while work is in flight, and most of the work gets done."""
    hits: Counter[str] = Counter()
    for seed in SEEDS:
        hits += report(seed).hits
    kinds = {fault.kind for seed in range(300) for fault in plan(seed).faults}
    assert kinds - set(hits) == set()
    assert sum(report(seed).effects for seed in SEEDS) > 3 * len(SEEDS)
    assert all(report(seed).runs >= 0.5 * report(seed).tasks for seed in SEEDS)


@pytest.mark.parametrize("kind", alone.KINDS, ids=lambda one: one.name.replace(" ", "-"))
def test_runs_go_on_within_a_bound_whatever_it_was(kind: alone.Kind):
    assert alone.broken(*alone.judged((kind, 1))) == []


def test_without_faults_nothing_is_asked_twice():
    for seed in (0, 25, 50):
        assert not plan(seed).faults
        assert not report(seed).broken
        assert not report(seed).asked_again


def test_a_deploy_repeats_nothing():
    """Every instance is replaced, one after the other, while twelve runs are on their way."""
    told = simulate(1, of=everything_is_deployed(1))
    assert told.hits["deploy"] > 10
    assert (told.asked_again, told.effects) == (0, 12 * 3)


def test_a_slow_database_is_not_taken_for_dead_workers():
    """Forty runs while each statement takes most of a second, for longer than a lease."""
    told = simulate(1, of=the_database_is_slow(1))
    assert told.hits == {"slow database": 1}
    assert (told.runs, told.asked_again, told.effects) == (40, 0, 40 * 2)


def test_a_clock_that_is_wrong_keeps_nothing_from_being_done():
    """What workers are handed counts by the database's clock as well."""
    told = simulate(1, of=clocks_are_wrong(1))
    assert (list(told.broken), told.effects) == ([], 6 * 3 + 3)


def test_what_is_read_once_more_asks_no_model_in_vain():
    """Commands of a topic that lost its newest records are heard from the first one on."""
    told = simulate(1, of=commands_are_lost(1))
    assert told.hits == {"cut off": 1}
    assert told.asked_again == 0


def test_a_seed_reproduces_exactly():
    assert simulate(7).fingerprint == simulate(7).fingerprint


def test_a_seed_reproduces_exactly_in_another_process():
    """Whatever the seed of its hashes is: sets of texts have another order there."""
    said = "from tests.simulation.running import simulate as s; print(s(7).fingerprint)"
    told = {
        subprocess.run(
            [sys.executable, "-c", said], capture_output=True, text=True, check=True, cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": number},
        ).stdout.strip()
        for number in ("1", "2")
    }  # fmt: skip
    assert told == {report(7).fingerprint}
