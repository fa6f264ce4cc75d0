"""The cells cover every service and every point of a consumer's life, or say why one has none."""

import pytest

from actalog.names import NAMES
from actalog_core.crashpoints import POINTS
from tests.chaos import cells
from tests.chaos.cells import CELLS, LETTERS, NOT_APPLICABLE

SERVICES = (*NAMES, "supervisor", "migrate", "deploy", "recover")


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("letter", LETTERS)
def test_a_service_has_a_cell_there_or_a_reason_why_not(service: str, letter: str):
    found = [cell for cell in CELLS if (cell.service, cell.letter) == (service, letter)]
    assert bool(found) != ((service, letter) in NOT_APPLICABLE)


def test_there_are_enough_each_once_and_every_point_is_one():
    assert len({cell.id for cell in CELLS}) == len(CELLS) >= 80
    assert {cell.point for cell in CELLS} == POINTS.keys()
    assert {cell.service for cell in CELLS} == set(SERVICES)


def test_the_short_form_is_a_few_of_different_services_by_a_seed():
    few = cells.chosen({"ACTALOG_CHAOS_CELLS": "12"})
    assert len(few) == 12
    assert {cell.service for cell in few} == set(SERVICES)
    assert few == cells.chosen({"ACTALOG_CHAOS_CELLS": "12", "ACTALOG_CHAOS_SEED": "0"})
    assert few != cells.chosen({"ACTALOG_CHAOS_CELLS": "12", "ACTALOG_CHAOS_SEED": "1"})
    assert cells.chosen({}) == CELLS
