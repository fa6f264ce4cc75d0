"""The seeds catch deliberate faults of the code: each by a seed that is written down beside it."""

import pytest

from tests.simulation.sabotage import SABOTAGES, Sabotage, caught


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda one: one.name.replace(" ", "-"))
def test_a_fault_of_the_code_is_caught(sabotage: Sabotage):
    report, _ = caught(sabotage, most=40)
    assert report is not None
