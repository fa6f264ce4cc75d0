"""Deliberate faults as patches to a copy of the tree: tests that are named must fail there.

For what the simulation does not run: PostgreSQL's own statements, the gateway's streams, models'
real wires, processes of tools, dead letters. See `sabotage.py`.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
PARTS = ("actalog", "contracts", "services", "shared", "tests", "infra", "docs")
ROOTS = ("", "contracts", "services", "shared")  # of packages
LIMIT_S = 300


@dataclass(frozen=True, slots=True)
class Patch:
    """`old` stands once in the file and becomes `new`; `tests` are pytest's arguments."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def text(patch: Patch) -> str:
    """The file with the fault in it.

    Raises:
        AssertionError: the code has changed, and the patch means nothing any more.
    """
    whole = (ROOT / patch.file).read_text()
    assert whole.count(patch.old) == 1, f"{patch.name}: {patch.file} has {patch.old!r} no more"
    return whole.replace(patch.old, patch.new)


def failing(patch: Patch) -> str | None:
    """The test that fails with the fault in the code; None: no test does."""
    with TemporaryDirectory(prefix="sabotage-") as folder:
        copy = Path(folder)
        for part in (*PARTS, "pyproject.toml"):
            where = ROOT / part
            if where.is_dir():
                leave = shutil.ignore_patterns("__pycache__", ".*_cache")
                shutil.copytree(where, copy / part, ignore=leave)
            elif where.exists():
                shutil.copy(where, copy / part)
        (copy / patch.file).write_text(text(patch))
        path = os.pathsep.join(str(copy / one) for one in ROOTS)
        ran = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *patch.tests],
            cwd=copy, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True,
            timeout=LIMIT_S, check=False,
        )  # fmt: skip
    failed = [one for one in ran.stdout.splitlines() if one.startswith("FAILED ")]
    if failed:  # also where pytest then ended badly: a fault may leave things behind
        return failed[0].removeprefix("FAILED ").split(" - ")[0]
    assert ran.returncode == 0, f"{patch.name}: {ran.stdout[-2_000:]}{ran.stderr[-2_000:]}"
    return None


CONDUCTOR, LOG, BUS = (
    "tests/integration/conductor",
    "tests/integration/log",
    "tests/unit/actalog_bus",
)
PATCHES = (
    Patch(
        "the tail is paged by position alone", "shared/actalog_log/postgres.py",
        '" and xid < tail_horizon() order by xid',
        '" order by xid', (f"{LOG}/test_postgres_only.py",),
    ),
    Patch(
        "a task's id is where it lies", "services/actalog_conductor/identity.py",
        "if decoded.ce_source and decoded.ce_id:", "if False:", (f"{CONDUCTOR}/test_conductor.py",),
    ),
    Patch(
        "a dead letter drops its key", "shared/actalog_bus/dead.py",
        "        key=record.key,\n        headers=(*kept", "        key=None,\n        headers=(*kept",
        (f"{BUS}/test_dead.py", f"{CONDUCTOR}/test_dead_letters.py"),
    ),
    Patch(
        "a stream resumes from its start", "services/actalog_gateway/routes_stream.py",
        "seq = _after(ids, last_event_id or after)", "seq = 0",
        ("tests/integration/gateway/test_streams.py",),
    ),
    Patch(
        "a chain is not verified when it is read", "shared/actalog_log/chain.py",
        "        if expected != kept:", "        if expected == b'':",
        ("tests/unit/actalog_log/test_chain.py", f"{LOG}/test_log.py"),
    ),
    Patch(
        "queues have no bound", "shared/actalog_bus/positions.py",
        "            if filled >= 1:", "            if filled < 0:", (f"{BUS}/test_dispatch.py",),
    ),
    Patch(
        "who lost a partition goes on hearing it", "shared/actalog_bus/positions.py",
        "self._shares.pop(partition).lost = True", "self._shares.pop(partition)",
        (f"{BUS}/test_dispatch.py",),
    ),
    Patch(
        "a tool past its deadline is left alone", "services/actalog_tools/isolated/pool.py",
        "        worker.kill(why)\n", "", ("tests/integration/tools/test_isolated_tools.py",),
    ),
    Patch(
        "one query forgets the tenant", "shared/actalog_log/postgres.py",
        '_RUN + "where r.tenant_id = $1 and r.session_id = $2 and r.turn is', '_RUN + "where $1 <> \'\' and r.session_id = $2 and r.turn is',
        (f"{LOG}/test_tenants.py",),
    ),
    Patch(
        "a key is told in an error", "services/actalog_llm/failures.py",
        "    if secret:\n", "    if secret and not secret:\n",
        ("tests/unit/actalog_llm", "tests/integration/llm"),
    ),
    Patch(
        "old events are not upcast", "shared/actalog_core/events.py",
        "while (upcast := UPCASTERS.get(kind)) is not None:", "while (upcast := None) is not None:",
        ("tests/unit/actalog_core/test_events.py",),
    ),
    Patch(
        "half a message of a model is taken for all of it", "services/actalog_llm/accumulate_openai.py",
        "        if finish is None and not refusal:\n", "        if False:\n",
        ("tests/unit/actalog_llm", "tests/integration/llm"),
    ),
    Patch(
        "who has just begun takes living calls over", "shared/actalog_calls/reach.py",
        "return now - self.since >= self.lease_s", "return True",
        (f"{CONDUCTOR}/test_supervisor.py",),
    ),
    Patch(
        "a death that was seen stands although its holder has renewed", "shared/actalog_log/calls.py",
        "c.asked_at > c.lease_until, false", "c.asked_at is not null, false",
        (f"{LOG}/test_calls.py",),
    ),
    Patch(
        "the answer that lost is told nothing", "services/actalog_conductor/resolving.py",
        "        live = await self.hearing.hear(found.row.run_no, heard, causation=cause)\n        try:",
        "        live = await self.hearing.hear(found.row.run_no, heard, causation=cause)\n"
        "        return None\n        try:",
        (f"{CONDUCTOR}/test_races.py",),
    ),
    Patch(
        "an inbox row goes with its decision", "services/actalog_conductor/outside.py",
        "inbox == task.run_id and record.partition != NO_PARTITION", "inbox == task.run_id",
        (f"{CONDUCTOR}/test_inbox.py", f"{CONDUCTOR}/test_untold.py"),
    ),
    Patch(
        "a stored answer goes with its decision", "services/actalog_conductor/handlers.py",
        "keeps_answer=True", "keeps_answer=False", (f"{CONDUCTOR}/test_untold.py",),
    ),
    Patch(
        "an approval has no end", "services/actalog_conductor/resolving.py",
        'return "~" if isinstance(state', 'return "~" if True or isinstance(state',
        (f"{CONDUCTOR}/test_doubts.py",),
    ),
    Patch(
        "wakes move before anybody was told", "services/actalog_conductor/supervisor.py",
        "            woken.popitem()\n", "            woken |= {one.row.run_no: None for one in due_runs}\n",
        (f"{CONDUCTOR}/test_untold.py",),
    ),
    Patch(
        "events are marked as published first", "services/actalog_conductor/telling.py",
        "        await self.postman.bus.publish_many(out)\n",
        "        for live in lives:\n"
        "            self.log.published(live.row.run_no, live.head.seq)\n"
        "        await self.postman.bus.publish_many(out)\n",
        (f"{CONDUCTOR}/test_takeover.py",),
    ),
    Patch(
        "a claim is as old as the hearing of its answer", "shared/actalog_calls/claims.py",
        "            mine.epoch = claim.epoch\n",
        "            mine.epoch, mine.since = claim.epoch, self.reach.clock()\n",
        ("tests/unit/actalog_calls/test_zombies.py",),
    ),
    Patch(
        "what was asked in vain costs nothing", "shared/actalog_calls/answering.py",
        "        if work.cancelled() or work.exception() is not None:\n", "        if True:\n",
        ("tests/integration/llm/test_cost.py",),
    ),
    Patch(
        "what was asked beside an unanswered claim is free", "services/actalog_llm/handlers.py",
        "            self.unpaid[key] = outcomes.cost(begun)\n", "            pass\n",
        ("tests/integration/llm/test_cost.py",),
    ),
    Patch(
        "a second answer of a model is free", "services/actalog_conductor/endings.py",
        "return [recorded(heard)] if known and heard.epoch not in known else []", "return []",
        ("tests/unit/actalog_conductor/test_doubts.py",),
    ),
    Patch(
        "a repeat of a task does not look for its cancel", "services/actalog_conductor/acceptance.py",
        "        live = await self._afterwards(asked, live, free=not waits)\n", "",
        (f"{CONDUCTOR}/test_conductor.py",),
    ),
    Patch(
        "what was committed behind the end is trusted", "shared/actalog_bus/doubts.py",
        "        self._doubted = self._tells_ends  # what was committed may lie behind the end\n", "",
        (f"{BUS}/test_cut_off.py",),
    ),
    Patch(
        "who is set back forgets it with what is fetched again", "shared/actalog_bus/doubts.py",
        "                self._dispatcher.known(heard(found[at][0]))  # is it before where we read?\n",
        "                pass\n", (f"{BUS}/test_cut_off.py",),
    ),
    Patch(
        "commands that are read once more are asked beside their claims", "services/actalog_llm/app.py",
        "            began_anew=handlers.since.assigned,\n", "",
        ("tests/simulation/test_simulation.py", "-k", "once_more"),
    ),
    Patch(
        "what a pause has cost is what the run costs now", "services/actalog_conductor/acting.py",
        "return Paused(facts, awaiting, doubts, facts.usage)", "return Paused(facts, awaiting, doubts)",
        ("tests/unit/actalog_conductor/test_doubts.py",),
    ),
    Patch(
        "word of a void attempt is taken for the next one's", "services/actalog_conductor/agent_run.py",
        "heard.after_epoch is not None and heard.after_epoch < voided", "False",
        ("tests/unit/actalog_conductor/test_doubts.py",),
    ),
    Patch(
        "workers trust their own clocks", "shared/actalog_calls/leases.py",
        "        self.sure.compare(renewed.at)\n", "",
        ("tests/simulation/test_simulation.py", "-k", "a_clock_that_is_wrong"),
    ),
    Patch(
        "a claim after a person's word is expired when it is asked again", "shared/actalog_log/calls.py",
        "m.epoch in (1, a.after_epoch + 1)", "m.epoch = 1", (f"{LOG}/test_calls.py",),
    ),
    Patch(
        "what is behind something that was lost counts as told",
        "services/actalog_conductor/telling.py",
        "            await acknowledged(live)\n        self._note(lives)\n",
        "            pass\n        self._note(lives)\n",
        (f"{CONDUCTOR}/test_telling.py",),
    ),
    Patch(
        "who could not tell trusts what it remembers", "services/actalog_conductor/live.py",
        "live.telling.cancelled() or live.telling.exception() is not None", "False",
        (f"{CONDUCTOR}/test_telling.py",),
    ),
    Patch(
        "who noticed a wiped broker commits before it has looked",
        "services/actalog_conductor/heard_marks.py",
        "        await self.ask_again()\n", "",
        ("tests/unit/actalog_conductor/test_heard_marks.py",),
    ),
    Patch(
        "what a hearing leaves is not waited for", "shared/actalog_bus/dispatch.py",
        "        if hearing.left is None:\n", "        if True:\n", (f"{BUS}/test_leaving.py",),
    ),
    Patch(
        "who may not wait overtakes who may", "shared/actalog_bus/departures.py",
        "not waits and not self._waiting and not self._leaving", "not waits",
        (f"{BUS}/test_departures.py",),
    ),
    Patch(
        "the embedded broker's holes are passed over", "shared/actalog_bus/doubts.py",
        "return found if self._holes is None else self._holes.whole(found)", "return found",
        (f"{BUS}/test_polling.py",),
    ),
    Patch(
        "a call runs however large its arguments are", "services/actalog_conductor/answers.py",
        "fits.append(size <= left)", "fits.append(True)",
        ("tests/unit/actalog_conductor/test_large_arguments.py",),
    ),
)  # fmt: skip
