"""The steps of `actalog recover`. Each can be done again; the broker's offsets come last, so that
services refuse until all of it stands."""

from dataclasses import dataclass, field
from datetime import timedelta

from actalog.recovery import restoring
from actalog.recovery.bringing import Brought, follows
from actalog.recovery.feed import Feed
from actalog.recovery.noticing import Behind, behind, group_of, heard_topics, moved, told
from actalog.recovery.report import Back, Doubt, Lost, Report, Rewound
from actalog_bus.offsets import Stand, commit, records, stands
from actalog_bus.settings import KafkaSettings
from actalog_conductor import kinds
from actalog_conductor.live import Runs
from actalog_contracts import topics
from actalog_contracts.calls import CallModel, RunTool
from actalog_core import crashpoints
from actalog_core.clock import Clock, rfc3339, system_clock
from actalog_core.errors import ActalogError, Permanent
from actalog_log.call_ports import ledger_key
from actalog_log.database import Connection
from actalog_log.guarding import cluster
from actalog_log.marks import Partition, last_marked, mark, marks
from actalog_log.postgres import PostgresLog

LOCK = 7203915
CLOCKS = timedelta(hours=1)  # how far apart clocks of the database and of producers may be


class AnotherDatabase(Permanent):
    """This database has never heard these topics, which others have: it is a new one, not a
    restored one. Name the right one, use another ACTALOG_TOPIC_PREFIX, or begin behind what was
    heard with `actalog recover --from-now`."""


@dataclass
class Recovery:
    """`from_now`: nothing is heard again and nothing is brought back."""

    log: PostgresLog
    connection: Connection
    kafka: KafkaSettings
    prefix: str
    from_now: bool = False
    clock: Clock = system_clock
    _brought: list[Brought] = field(default_factory=list[Brought])
    _lost: list[tuple[Lost, int | None, str]] = field(
        default_factory=list[tuple[Lost, int | None, str]]
    )
    _feed: Feed = field(default_factory=Feed)

    async def carry_out(self, *, dry_run: bool = False) -> Report | None:
        """None where nothing is wrong.

        Raises:
            GroupIsAlive: services hear.
            AnotherDatabase: there is nothing to go on with.
        """
        await self.connection.execute("select pg_advisory_lock($1)", LOCK)
        group = group_of(self.prefix)
        standing = await stands(self.kafka, group, heard_topics(self.prefix))
        marked = await marks(self.connection, group)
        moves, overtakes = await moved(self.connection), behind(marked, standing)
        if not moves and not overtakes:
            return None
        if overtakes and not marked and not self.from_now:
            raise AnotherDatabase
        report = Report(reasons=told(moves, overtakes), dry_run=dry_run)
        at = await last_marked(self.connection, group)
        report.database_time = rfc3339(at) if at else None
        # Nobody may hear meanwhile: a group with members takes no offsets from outside.
        await commit(self.kafka, group, _committed(standing))
        if not self.from_now:
            await self._read(marked, int((at - CLOCKS).timestamp() * 1_000) if at else None)
            await self._compare(report)
            report.rewound = [_rewound(one, standing) for one in overtakes]
        if not dry_run:
            await restoring.number_on(self.connection)
            await restoring.make_ranges(self.connection, [b.row.run_no for b in self._brought])
            await restoring.bring_back(self.log, self._brought, self.clock())
            if crashpoints.armed:
                crashpoints.reach("recover.brought")
        await self._write(report, marked, standing)
        return report

    async def _read(self, marked: dict[Partition, int], since_ms: int | None) -> None:
        events, replies = (
            topics.full_name(one, self.prefix) for one in (topics.EVENTS, topics.REPLIES)
        )
        await self._feed.take_events(records(self.kafka, events, since_ms=since_ms))
        await self._feed.take_replies(records(self.kafka, replies, begin=marked))

    async def _compare(self, report: Report) -> None:
        """Which runs the feed knows more of than the log."""
        for (tenant_id, run_id), events in self._feed.runs.items():
            found = await self.log.find_run(tenant_id, run_id)
            session_id = next(iter(events.values())).session_id
            if found is not None and found.standing == "lost":
                continue
            try:
                brought = follows(found, events)
            except (ValueError, ActalogError) as error:
                lost = Lost(tenant_id, run_id, min(events), str(error))
                self._lost.append((lost, found.row.run_no if found else None, session_id))
                continue
            if brought is None:
                continue
            self._brought.append(brought)
            if brought.events:
                report.brought_back.append(
                    Back(tenant_id, run_id, len(brought.events), brought.new)
                )
            if brought.lost_from is not None:
                lost = Lost(tenant_id, run_id, brought.lost_from, brought.why)
                self._lost.append((lost, brought.row.run_no, session_id))
        self._brought.sort(key=lambda one: one.row.run_no)
        report.lost = [lost for lost, _, _ in self._lost]

    async def _write(
        self, report: Report, marked: dict[Partition, int], standing: dict[Partition, Stand]
    ) -> None:
        """One transaction, then the broker's offsets. A dry run only looks."""
        to = {(one.topic, one.partition): one.to for one in report.rewound}
        async with self.connection.transaction():
            await self._calls(report)
            if report.dry_run:
                return
            await restoring.close_lost(self.connection, self._lost, self.clock())
            now = await cluster(self.connection)
            report.incarnation = await restoring.open_incarnation(
                self.connection, now, self._feed.highest
            )
            await mark(
                self.connection, group_of(self.prefix), {**_committed(standing), **to}, back=True
            )
        if crashpoints.armed:
            crashpoints.reach("recover.written")
        await commit(self.kafka, group_of(self.prefix), to)

    async def _calls(self, report: Report) -> None:
        """What open runs wait for: an answer that was given, or a call that may have run."""
        runs = Runs(self.log)
        rows = await self.connection.fetch(
            "select run_no from open_runs where standing in ('active', 'waiting', 'paused')"
            " order by run_no"
        )
        gone = {run_no for _, run_no, _ in self._lost}
        for run_no in (row["run_no"] for row in rows if row["run_no"] not in gone):
            try:
                live = await runs.load(run_no)
            except ActalogError as error:
                report.unreadable.append(f"run_no {run_no}: {error}")
                continue
            for command in kinds.commands(live.due()):
                key = ledger_key(run_no, command.call_id)
                answer = self._feed.answers.get(key)
                if answer is None and isinstance(command, RunTool):
                    report.may_have_run.append(
                        Doubt(command.tenant_id, command.run_id, command.call_id, command.name,
                              command.effect)
                    )  # fmt: skip
                report.models_asked_again += answer is None and isinstance(command, CallModel)
                report.answers += answer is not None
                if not report.dry_run and (answer or isinstance(command, RunTool | CallModel)):
                    await restoring.settle_call(self.connection, key, run_no, answer)


def _committed(standing: dict[Partition, Stand]) -> dict[Partition, int]:
    return {
        where: stand.committed for where, stand in standing.items() if stand.committed is not None
    }


def _rewound(one: Behind, standing: dict[Partition, Stand]) -> Rewound:
    first = standing[one.topic, one.partition].first
    to = max(one.marked, first)
    return Rewound(one.topic, one.partition, one.committed, to, max(0, first - one.marked))
