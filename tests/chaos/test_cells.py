"""A process is killed at each of its points, on Apache Kafka and PostgreSQL: nothing is lost,
nothing is done twice, and what nobody can know is asked.

The cells happen side by side, a few places at a time; each test here tells of one.
`ACTALOG_CHAOS_CELLS=12` takes a few of them, `ACTALOG_CHAOS_RESULTS` names a file that gets a
line of each.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import groupby
from pathlib import Path

import pytest
import pytest_asyncio

from actalog_testing.apache_kafka import ApacheKafka
from actalog_testing.scripted import ScriptedServer
from tests.chaos import cells
from tests.chaos.cell_checks import Outcome, happen
from tests.chaos.cell_commands import command
from tests.chaos.cell_model import Model
from tests.chaos.cell_place import place
from tests.chaos.cells import Cell

pytestmark = [pytest.mark.apache, pytest.mark.postgres, pytest.mark.timeout(1_800)]
SIDE_BY_SIDE = int(os.environ.get("ACTALOG_CHAOS_PLACES") or 3)
OF_A_PLACE = 12
LAST = ("joins", "drains", "alone")  # what changes the group
CHOSEN = cells.chosen()


def places(wanted: Sequence[Cell]) -> list[list[Cell]]:
    """The cells of each place: of one service, what changes its group last."""
    by_service = sorted(wanted, key=lambda one: (one.victim, one.service, one.work in LAST))
    found: list[list[Cell]] = []
    for _, group in groupby(by_service, key=lambda one: (one.victim, one.work == "untold")):
        of_one = list(group)
        found += [of_one[at : at + OF_A_PLACE] for at in range(0, len(of_one), OF_A_PLACE)]
    return sorted(found, key=len, reverse=True)


class Campaign:
    """All wanted cells, as many places at a time as the machine has room for."""

    def __init__(
        self, bootstrap: str, postgres: str, model: str, slow: AbstractSet[str], folder: Path
    ) -> None:  # fmt: skip
        self.bootstrap, self.postgres, self.model, self.folder = bootstrap, postgres, model, folder
        self.slow = slow
        self.outcomes: dict[str, Outcome] = {}
        self.room = asyncio.Semaphore(SIDE_BY_SIDE)

    async def run(self, wanted: Sequence[Cell]) -> None:
        async with asyncio.TaskGroup() as group:
            for number, of_place in enumerate(places(wanted)):
                group.create_task(self._place(number, of_place))

    async def _place(self, number: int, of_place: Sequence[Cell]) -> None:
        async with self.room:
            try:
                await self._cells(f"p{chr(ord('a') + number)}", of_place)
            except Exception as error:  # noqa: BLE001 - its cells are told, the others go on
                for cell in of_place:
                    told = self.outcomes.setdefault(cell.id, Outcome(cell))
                    told.wrong = told.wrong or f"its place broke: {error!r}"

    async def _cells(self, name: str, of_place: Sequence[Cell]) -> None:
        first = of_place[0]
        folder = self.folder / name
        folder.mkdir()
        if first.work == "command":
            for cell in of_place:
                own = folder / cell.id
                own.mkdir()
                self.outcomes[cell.id] = await command(
                    cell, bootstrap=self.bootstrap, postgres=self.postgres, model=self.model,
                    folder=own,
                )  # fmt: skip
            return
        async with place(
            first.victim, bootstrap=self.bootstrap, postgres=self.postgres, model=self.model,
            folder=folder, slow=self.slow, apart=("tools",) if first.work == "untold" else (),
        ) as made:  # fmt: skip
            for at, cell in enumerate(of_place):
                self.outcomes[cell.id] = await happen(made, cell, f"{name}{chr(ord('a') + at)}")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def outcomes(
    request: pytest.FixtureRequest, apache_kafka: ApacheKafka, postgres_dsn: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Mapping[str, Outcome]]:  # fmt: skip
    """Of the cells that this session asks for."""
    told = [getattr(item, "callspec", None) for item in request.session.items]
    wanted = [one.params["cell"] for one in told if one is not None and "cell" in one.params]
    model = Model()
    server = ScriptedServer(script=model.answer)
    base_url = await server.start()
    folder = tmp_path_factory.mktemp("cells")
    campaign = Campaign(apache_kafka.bootstrap, postgres_dsn, base_url, model.slow, folder)
    try:
        await campaign.run(wanted)
        yield campaign.outcomes
    finally:
        await server.stop()


@pytest.mark.chaos
@pytest.mark.parametrize("cell", CHOSEN, ids=lambda one: one.id)
def test_whoever_dies_there_loses_nothing_and_does_nothing_twice(
    cell: Cell, outcomes: Mapping[str, Outcome]
):
    outcome = outcomes[cell.id]
    print(f"{outcome.took_s:.1f} s, to the next event {outcome.recovery_s}")
    if outcome.wrong:
        pytest.fail(outcome.wrong, pytrace=False)
    assert outcome.in_flight > 0
