"""A short, blind and repeatable form of `make fuzz`."""

from itertools import islice

import pytest

from tests.fuzz.mutation import mutants
from tests.fuzz.targets import TARGETS

COUNT = 1_500  # for each target; about a second
SEED = 20_261_125


@pytest.mark.parametrize("name", TARGETS)
def test_whatever_comes_is_refused_in_the_one_way_or_keeps_what_is_promised(name: str):
    target = TARGETS[name]
    for data in islice(mutants(target.corpus(), SEED), COUNT):
        try:
            target.run(data)
        except Exception as error:
            error.add_note(repr(data[:500]))
            raise


def test_the_same_seed_makes_the_same_mutants_and_another_seed_others():
    corpus = TARGETS["border"].corpus()
    first, again, other = (list(islice(mutants(corpus, seed), 300)) for seed in (1, 1, 2))
    assert first == again
    assert first[: len(corpus)] == other[: len(corpus)] == list(corpus)
    assert first != other


def test_mutants_reach_behind_the_first_check():
    """A fuzzer whose mutants are all refused at once would find nothing."""
    taken = 0
    for data in islice(mutants(TARGETS["openai"].corpus(), SEED), 400):
        taken += b'"content"' in data and data.count(b"\n\n") > 1
    assert taken > 100
