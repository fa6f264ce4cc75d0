"""Where a run of this program goes: to the platform that the settings name, or to one of its own.

One for each process. It says once what it does: that nothing is kept, or that the platform runs
other definitions than this program has.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from actalog.client.client import Client
from actalog.models.base import outside_tests
from actalog.run.loop import BACKGROUND
from actalog_core.errors import SettingMissing

if TYPE_CHECKING:
    from actalog.agent import Agent
    from actalog.cli.reach import Reach
    from actalog.platform import Platform
    from actalog.run.runner import Run
    from actalog_contracts.definitions import Definition

log = logging.getLogger("actalog")

NO_PLATFORM = "No platform is named (ACTALOG_KAFKA and ACTALOG_DATABASE_URL) and none runs here (`actalog up`):"
NOTHING_KEPT = f"{NO_PLATFORM} running in this process, nothing is kept."

NO_KEY = (
    "No model key is set (OPENAI_API_KEY, ANTHROPIC_API_KEY, ...): "
    "a scripted model answers for OpenAI's and Anthropic's."
)


class LocalApp:
    """The agents this program has run so far: it grows as they come."""

    def __init__(self) -> None:
        self.functions: dict[str, Callable[..., Any]] = {}

    def definitions(self) -> "Sequence[Definition]":
        return ()

    def callables(self) -> Mapping[str, Callable[..., Any]]:
        return self.functions


class Front:
    """Lives on the background loop."""

    def __init__(self) -> None:
        self._opening = asyncio.Lock()
        self._client: Client | None = None
        self._platform: Platform | None = None
        self._local = LocalApp()
        self._reach: Reach | None = None
        self._compared: set[str] = set()

    async def client(self, agent: "Agent") -> Client:
        """A started client of a platform that can run this agent.

        Raises:
            BadDefinition, NotSupported: the agent cannot be a definition.
            BadCall: its model has a script, which only a test's own platform knows.
            SettingMissing: a setting is wrong.
            Transient: the platform that is named cannot be reached.
        """
        outside_tests(agent.model, who=f"agent {agent.id!r}")
        definition = agent.definition()
        async with self._opening:
            if self._client is None:
                self._client = await self._open()
            if self._platform is not None:
                await self._deploy(self._platform, agent, definition)
            elif self._reach is not None:
                await self._compare(self._reach, definition)
        return self._client

    async def _open(self) -> Client:
        from actalog.cli.reach import Reach

        reach = Reach.from_env()
        if reach.kafka is not None and reach.database_url is not None:
            self._reach = reach
            client = Client()
        else:
            self._platform = await _in_this_process(self._local)
            client = Client(platform=self._platform)
            log.warning(NOTHING_KEPT)
        await client.start()
        BACKGROUND.at_close(client.stop)
        return client

    async def _deploy(self, platform: "Platform", agent: "Agent", made: "Definition") -> None:
        from actalog.extras import checkable
        from actalog.registry import register
        from actalog_conductor.definitions import FRESH_S

        checkable([made])
        self._local.functions.update(agent.callables())
        (change,) = await register(platform.on.log, [made])
        if change.what == "changed":  # the conductor looks for a new one that often
            await asyncio.sleep(FRESH_S)

    async def _compare(self, reach: "Reach", made: "Definition") -> None:
        """Say once for each agent what the platform has instead."""
        if made.id in self._compared:
            return
        from actalog.cli.reach import open_log
        from actalog.definitions import encode

        self._compared.add(made.id)
        async with open_log(reach.dsn) as kept:
            current = await kept.current_definition("agent", made.id)
        mend = "`actalog deploy` or `actalog up --reload` mends it"
        if current is None:
            log.warning("The platform does not know agent:%s; %s.", made.id, mend)
        elif current[0] != encode(made).digest:
            log.warning("The platform runs another definition of agent:%s; %s.", made.id, mend)


async def _in_this_process(app: LocalApp) -> "Platform":
    """A platform over doubles; without a key, with the model server that follows a script."""
    from actalog.extras import installed
    from actalog.platform import Platform
    from actalog.scripted_models import named
    from actalog_core.settings import Settings

    try:
        installed("llm")
    except SettingMissing as error:
        raise SettingMissing(f"{NO_PLATFORM} to run in this process, {error.detail}") from None
    settings = Settings.from_env()
    if not named(settings):
        log.warning(NO_KEY)
    platform = Platform.in_memory(app, settings=settings)
    await platform.start()
    BACKGROUND.at_close(lambda: platform.stop(2.0))
    return platform


class Fronts:
    """The front of the loop that runs now: a forked process has another."""

    def __init__(self) -> None:
        self.front: Front | None = None
        self.loop: asyncio.AbstractEventLoop | None = None

    def now(self) -> Front:
        loop = asyncio.get_running_loop()
        if self.front is None or self.loop is not loop:
            self.front, self.loop = Front(), loop
        return self.front


FRONTS = Fronts()
PAUSED: "OrderedDict[str, Run]" = OrderedDict()  # runs of this program that wait for a person
PAUSED_KEPT = 1_000


def keep_paused(run: "Run") -> None:
    """So that `continue_run` goes on where the output stands; the oldest go first."""
    PAUSED[run.output.run_id] = run
    while len(PAUSED) > PAUSED_KEPT:
        PAUSED.popitem(last=False)


def forget_paused(run: "Run") -> None:
    """It goes on: its decisions have left."""
    PAUSED.pop(run.output.run_id, None)
