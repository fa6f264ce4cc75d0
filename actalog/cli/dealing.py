"""Dealing with dead letters: selecting, sending again, putting aside."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from actalog.cli.letters import Again, Letter, Reader, again, dead_topics, reader
from actalog.cli.reach import Reach, open_log
from actalog_bus.dead import redriven
from actalog_contracts import topics
from actalog_core.clock import rfc3339, system_clock
from actalog_log.letters import Action, Letters
from actalog_log.postgres import PostgresLog

OF_RUNS = (*topics.COMMAND_TOPICS.values(), topics.REPLIES)


class Dealing:
    """Over one broker and one database."""

    def __init__(self, reads: Reader, sends: Again, log: PostgresLog, prefix: str) -> None:
        self._reads, self._sends, self._log, self._prefix = reads, sends, log, prefix
        self._fates = Letters(log.pool)

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncGenerator["Dealing"]:
        """As the settings, or the platform that runs here, say."""
        reach = Reach.from_env()
        prefix, kafka = reach.settings.topic_prefix, reach.kafka_settings()
        async with open_log(reach.dsn) as log:
            fates = Letters(log.pool)
            async with reader(kafka, fates, prefix=prefix) as reads, again(kafka) as sends:
                yield cls(reads, sends, log, prefix)

    async def select(
        self, topic: str | None, reason: str | None, run: str | None
    ) -> Sequence[Letter]:
        """Letters of a topic, for a reason, of a run: of all where None is given."""
        found = await self._reads.every(dead_topics(self._prefix, topic))
        return [
            one for one in found
            if (reason is None or one.told.get("dlq-reason") == reason)
            and (run is None or one.named()["run_id"] == run)
        ]  # fmt: skip

    async def find(self, name: str) -> Letter | None:
        """The letter of that name, with or without the prefix."""
        topic = name.split("/")[0]
        for one in await self._reads.every(dead_topics(self._prefix, topic)):
            if one.name == name.removeprefix(f"{self._prefix}."):
                return one
        return None

    async def deal(
        self, letter: Letter, action: Action, *, by: str, note: str | None, dry_run: bool
    ) -> str | None:
        """None when it was done; else why it was refused, and nothing has changed."""
        if letter.fate is not None:
            return _told(letter)
        act = None
        if action == "redriven":
            if said := await self._useless(letter):
                return said
            try:
                record = redriven(letter.record, by=by, at=rfc3339(system_clock()))
            except ValueError as error:
                return str(error)
            act = partial(self._sends.publish, record)
        if dry_run:
            return None
        fate = await self._fates.seal(letter.id, action, by=by, note=note, act=act)
        return None if fate is None else _told(Letter(letter.name, letter.record, fate))

    async def _useless(self, letter: Letter) -> str | None:
        """What a run asked for, or was answered, means nothing once it has ended."""
        source = letter.record.topic.removesuffix(topics.DLQ_SUFFIX)
        if not any(source == topics.full_name(one, self._prefix) for one in OF_RUNS):
            return None
        named = letter.named()
        if named["run_id"] is None:
            return None
        found = await self._log.find_run(named["tenant_id"], named["run_id"])
        if found is None or found.standing != "ended":
            return None
        return f"its run {named['run_id']} has ended; send its task again under another id"


def _told(letter: Letter) -> str:
    fate = letter.fate
    assert fate is not None
    return f"it was {fate.action} already, by {fate.by} at {fate.at:%Y-%m-%d %H:%M:%S}"
