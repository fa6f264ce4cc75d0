"""The whole platform over a real broker and a real PostgreSQL, in the test's own process.

`desk` is the author's App; `models` the scripted server behind both wire formats.
"""

import uuid
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from actalog import App
from actalog.platform import Platform
from actalog.services import Ground
from actalog_bus.kafka import KafkaBus
from actalog_bus.observed import ObservedBus
from actalog_bus.processes import free_port
from actalog_bus.provision import plan, provision
from actalog_bus.settings import KafkaSettings
from actalog_contracts.runs import RunEvent
from actalog_core.events import decode
from actalog_core.settings import Settings
from actalog_log.calls import PostgresCalls
from actalog_log.memories_postgres import PostgresMemories
from actalog_log.ports import FoundRun
from actalog_log.postgres import PostgresLog
from actalog_testing.scripted import Answer, Request, ScriptedServer
from tests.acceptance.outside import Outside

PARTITIONS = 3


@dataclass
class Site:
    """`outside` is all that other systems have; `log` is what the platform remembers."""

    settings: Settings
    kafka: KafkaSettings
    log: PostgresLog
    models: ScriptedServer
    outside: Outside
    scripts: "dict[str, deque[Answer]]" = field(default_factory=dict[str, "deque[Answer]"])

    @property
    def http(self) -> str:
        return f"http://{self.settings.host}:{self.settings.port}"

    def script(self, question: str, *answers: Answer) -> None:
        """What the model says in the run whose last question this is."""
        self.scripts[question] = deque(answers)

    def answer(self, request: Request) -> Answer | None:
        """None, after its script or without one: the demo model answers."""
        asked = [said.text for said in request.messages if said.role == "user"]
        script = self.scripts.get(asked[-1]) if asked else None
        return script.popleft() if script else None

    async def find(self, run_id: str) -> FoundRun:
        found = await self.log.find_run("default", run_id)
        assert found is not None, f"no run {run_id}"
        return found

    async def story(self, run_id: str) -> Sequence[RunEvent]:
        """What the log has of a run."""
        found = await self.find(run_id)
        return [decode(one.type, one.payload) for one in await self.log.read(found.row.run_no)]

    def requests(self, question: str) -> list[Request]:
        """What models were sent in the run whose last question this is."""
        return [
            request for request in self.models.requests
            if [said.text for said in request.messages if said.role == "user"][-1:] == [question]
        ]  # fmt: skip


def new_prefix() -> str:
    return f"t{uuid.uuid4().hex[:10]}"


def kafka_settings(
    settings: Settings, *, embedded: bool, one_process: bool | None = None
) -> KafkaSettings:
    return KafkaSettings.of(
        settings, bootstrap=settings.kafka or "", embedded=embedded,
        one_process=embedded if one_process is None else one_process,
    )  # fmt: skip


async def topics_there(settings: Settings, kafka: KafkaSettings) -> None:
    """As `actalog topics apply` makes them."""
    planned = plan(prefix=settings.topic_prefix, partitions=settings.partitions, replication=1)
    await provision(kafka, planned)


@asynccontextmanager
async def site(
    bootstrap: str, dsn: str, app: App, *, embedded: bool, one_process: bool | None = None
) -> AsyncGenerator[Site]:
    """A running platform; unless it is said, groups of consumers on Apache Kafka, and by assignment
    on the embedded broker, as `actalog up` does on both."""
    models = ScriptedServer()
    base_url = await models.start()
    settings = Settings(
        kafka=bootstrap, database_url=dsn, topic_prefix=new_prefix(), partitions=PARTITIONS,
        port=free_port(), openai_api_key="none", openai_base_url=f"{base_url}/v1",
        anthropic_api_key="none", anthropic_base_url=base_url,
    )  # fmt: skip
    kafka = kafka_settings(settings, embedded=embedded, one_process=one_process)
    await topics_there(settings, kafka)
    log = PostgresLog(dsn)
    await log.start()
    platform = Platform(ground(settings, kafka, log, app), definitions=app.definitions())
    await platform.start()
    try:
        async with Outside(bootstrap, settings.topic_prefix) as outside:
            made = Site(settings, kafka, log, models, outside)
            models.follow(made.answer)
            yield made
    finally:
        await platform.stop()
        await log.stop()
        await models.stop()


def ground(settings: Settings, kafka: KafkaSettings, log: PostgresLog, app: App) -> Ground:
    """What the services stand on."""
    return Ground(
        bus=ObservedBus(KafkaBus(kafka)), log=log, calls=PostgresCalls(log.pool),
        memories=PostgresMemories(log.pool), settings=settings, callables=app.callables(),
    )  # fmt: skip


def only(events: Sequence[RunEvent], kind: type[RunEvent]) -> list[RunEvent]:
    return [event for event in events if isinstance(event, kind)]
