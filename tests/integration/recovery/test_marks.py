"""A service that starts looks at the marks while others hear on: it changes none of theirs."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest

from actalog.recovery import noticing
from actalog.recovery.noticing import Behind, overtaken
from actalog_bus.offsets import Stand
from actalog_bus.settings import KafkaSettings
from actalog_log.database import Connection, connect
from actalog_log.marks import mark, marks

pytestmark = pytest.mark.postgres
KAFKA = KafkaSettings(bootstrap="127.0.0.1:1")
AT, GROUP = ("actalog.tasks", 0), "actalog.conductor"
Meanwhile = Callable[[], Awaitable[None]]


@pytest.fixture
async def database(fresh_database: str) -> AsyncIterator[Connection]:
    connection = await connect(fresh_database)
    yield connection
    await connection.close()


def broker_tells(
    monkeypatch: pytest.MonkeyPatch, stand: Stand, meanwhile: Meanwhile | None = None
) -> None:
    """What the broker answers, and what somebody does before the answer is looked at."""

    async def stands(_: KafkaSettings, group: str, topics: Sequence[str]) -> dict[object, Stand]:
        assert group == GROUP
        assert AT[0] in topics
        if meanwhile is not None:
            await meanwhile()
        return {AT: stand}

    monkeypatch.setattr(noticing, "stands", stands)


async def test_15_what_is_heard_while_the_ends_are_asked_for_is_no_loss_of_the_broker(
    database: Connection, monkeypatch: pytest.MonkeyPatch
):
    await mark(database, GROUP, {AT: 5})

    async def heard_on() -> None:  # three records more came, and were heard
        await mark(database, GROUP, {AT: 8})

    broker_tells(monkeypatch, Stand(committed=5, first=0, end=5), heard_on)
    assert await overtaken(database, KAFKA, "actalog") == []
    assert await marks(database, GROUP) == {AT: 8}
    broker_tells(monkeypatch, Stand(committed=8, first=0, end=8))
    assert await overtaken(database, KAFKA, "actalog") == []  # the next service's look


@pytest.mark.parametrize(("committed", "left"), [(2, 2), (None, 0)])
async def test_15_marks_of_a_broker_that_began_anew_are_taken_back(
    database: Connection, monkeypatch: pytest.MonkeyPatch, committed: int | None, left: int
):
    await mark(database, GROUP, {AT: 50})
    broker_tells(monkeypatch, Stand(committed=committed, first=0, end=3))
    assert await overtaken(database, KAFKA, "actalog") == []
    assert await marks(database, GROUP) == {AT: left}


async def test_15_what_a_conductor_has_taken_back_itself_is_left_to_it(
    database: Connection, monkeypatch: pytest.MonkeyPatch
):
    await mark(database, GROUP, {AT: 50})

    async def noticed() -> None:
        await mark(database, GROUP, {AT: 4}, back=True)

    broker_tells(monkeypatch, Stand(committed=2, first=0, end=3), noticed)
    assert await overtaken(database, KAFKA, "actalog") == []
    assert await marks(database, GROUP) == {AT: 4}


async def test_15_a_broker_that_knows_more_is_told_of(
    database: Connection, monkeypatch: pytest.MonkeyPatch
):
    await mark(database, GROUP, {AT: 5})
    broker_tells(monkeypatch, Stand(committed=9, first=0, end=9))
    assert await overtaken(database, KAFKA, "actalog") == [Behind(*AT, 5, 9)]
    assert await marks(database, GROUP) == {AT: 5}
