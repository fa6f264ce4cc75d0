"""The seeds catch deliberate faults of the code: each by a seed that is written down beside it."""

import pytest

from tests.simulation.patched import PATCHES, Patch, text
from tests.simulation.sabotage import SABOTAGES, Sabotage, caught


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda one: one.name.replace(" ", "-"))
def test_a_fault_of_the_code_is_caught(sabotage: Sabotage):
    report, _ = caught(sabotage, most=40)
    assert report is not None


@pytest.mark.parametrize("patch", PATCHES, ids=lambda one: one.name.replace(" ", "-"))
def test_every_patch_still_fits_the_code_and_is_code(patch: Patch):
    """Whether tests fail with it is for `make sabotage`: each needs a copy of the tree."""
    compile(text(patch), patch.file, "exec")
