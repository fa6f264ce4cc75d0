"""The statement that appends: every set of its parts is one, and none is planned twice."""

import itertools

import pytest

from actalog_log import appending
from actalog_log.database import Pool, connect
from actalog_log.ports import Append, Decision
from actalog_log.postgres import PostgresLog
from actalog_log.together import FEW, planned
from tests.integration.log.test_log import NOW, begin, event

SETS = [
    names
    for count in range(len(appending.PARTS) + 1)
    for names in itertools.combinations(appending.PARTS, count)
]


def test_parts_without_rows_are_left_out():
    assert appending.asked([(Decision(()), (), ())]) == ("select 1", [])
    decision = Decision((), clear_calls=("b", "a"))
    sql, columns = appending.asked([(decision, (), ())])
    assert "update calls" in sql
    assert "insert" not in sql
    assert columns == [["a", "b"]]


@pytest.mark.postgres
async def test_every_set_of_parts_is_a_statement(fresh_database: str):
    connection = await connect(fresh_database)
    try:
        for names, rows in itertools.product(SETS, (1, FEW + 1)):
            sql = planned(appending.statement(names), rows)
            await connection.execute(f"prepare one as {sql}")
            count = await connection.fetchval(
                "select cardinality(parameter_types) from pg_prepared_statements where name = 'one'"
            )
            assert count == sum(appending.PARTS[name][1] for name in names)
            await connection.execute("deallocate one")
    finally:
        await connection.close()


@pytest.mark.postgres
async def test_appends_of_single_decisions_are_planned_once(fresh_database: str):
    log = PostgresLog(fresh_database)
    await log.start()
    for number in range(20):
        new, head = await begin(log, session=f"s{number}")
        (head,) = await log.append(
            Decision((Append(new.run_no, head, (event(),), standing="waiting", wake_at=NOW),))
        )
        (head,) = await log.append(
            Decision((Append(new.run_no, head, (event(),), standing="ended"),), clear_calls=("c",))
        )
        await log.append(
            Decision((Append(new.run_no, head, (), standing="ended"),), inbox_done=(("t", "i"),))
        )
    told = await plans(log.pool)
    await log.stop()
    assert told == [(5, 15)] * 4


async def plans(pool: Pool) -> list[tuple[int, int]]:
    """How often each statement that appends was planned anew, and was not."""
    rows = await pool.fetch(
        "select custom_plans, generic_plans from pg_prepared_statements"
        " where statement like 'with %select 1' and custom_plans + generic_plans >= 20"
    )
    return [(row["custom_plans"], row["generic_plans"]) for row in rows]
