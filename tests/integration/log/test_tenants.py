"""What one tenant has is not there for another that asks under the same names (protocol 1.1, I11)."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from actalog_log.beside_ports import Held, InboxRow, Tombstone
from actalog_log.memory import MemoryLog
from actalog_log.ports import Append, Decision, NewEvent, SessionOp
from actalog_log.postgres import PostgresLog
from tests.integration.log.test_log import NOW, Log, first, row

CANARY = "canary of one"


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.postgres)])
async def log(request: pytest.FixtureRequest) -> AsyncIterator[Log]:
    if request.param == "memory":
        yield MemoryLog()
        return
    store = PostgresLog(request.getfixturevalue("fresh_database"))
    await store.start()
    yield store
    await store.stop()


async def filled(log: Log) -> None:
    """One tenant has something of everything."""
    run_no = await log.reserve_run_no()
    new = replace(row(run_no, run_id="r", session="s"), tenant_id="one", user_id=CANARY)
    op = SessionOp("one", "s", 1, run_no, 1, f'[{{"op":"set","key":"k","value":"{CANARY}"}}]')
    held = Held("one", "h", run_no, CANARY)
    begun = Decision((first(new, standing="waiting"),), session_ops=(op,), hold=(held,))
    (head,) = await log.append(begun)
    completed = NewEvent("run.completed.v1", b"{}", NOW)
    await log.append(Decision((Append(run_no, head, (completed,)),)))
    await log.put_inbox(InboxRow("one", "i", CANARY.encode()))
    await log.put_tombstone(Tombstone("one", "t", CANARY, CANARY))
    await log.put_blob("one", "b", "text/plain", CANARY.encode())


async def everything(log: Log, tenant: str) -> dict[str, object]:
    """What a tenant is told under these names."""
    opening = await log.opening(tenant, "s", "r")
    return {
        "run": await log.find_run(tenant, "r"),
        "runs": list(await log.list_runs(tenant)),
        "runs of a session": list(await log.session_runs(tenant, "s")),
        "sessions": list(await log.list_sessions(tenant)),
        "completed": list(await log.completed_runs(tenant, "s", before_turn=9, limit=9)),
        "opening": (opening.turn, opening.busy, opening.known, opening.user_id),
        "waiting": await log.first_waiting_no(tenant, "s"),
        "state": list(await log.session_ops(tenant, "s")),
        "version": await log.state_version(tenant, "s"),
        "held": await log.get_held(tenant, "h"),
        "inbox": await log.get_inbox(tenant, "i"),
        "tombstone": await log.get_tombstone(tenant, "t"),
        "blob": await log.get_blob(tenant, "b"),
        "whether there is a blob": await log.has_blob(tenant, "b"),
    }


async def test_another_tenant_finds_nothing_under_the_same_names(log: Log):
    empty = await everything(log, "other")
    await filled(log)
    mine = await everything(log, "one")
    theirs = await everything(log, "other")
    assert theirs == empty
    assert CANARY not in str(theirs)
    assert not [name for name in mine if mine[name] == theirs[name]]  # so the test could fail


async def test_another_tenant_changes_nothing_under_the_same_names(log: Log):
    await filled(log)
    before = await everything(log, "one")
    await log.drop_inbox("other", "i")
    await log.append(Decision(release=(("other", "h"),), inbox_done=(("other", "i"),)))
    await log.put_blob("other", "b", "text/plain", b"another")
    await log.put_inbox(InboxRow("other", "i", b"another"))
    await log.put_tombstone(Tombstone("other", "t", None, None))
    assert await log.try_inbox("other", "i") == 1
    assert await everything(log, "one") == before
