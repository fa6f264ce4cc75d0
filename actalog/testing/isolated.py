"""All services over doubles, for one test: nothing is shared with any other."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actalog.agent import Agent
from actalog.app import App
from actalog.cli.summaries import every
from actalog.client.client import Client
from actalog.errors import BadDefinition
from actalog.platform import Platform
from actalog.recording import write
from actalog.run.agent import RunOutput, RunOutputEvent
from actalog.run.resuming import decided
from actalog.run.runner import Options, Run
from actalog.testing.scripted_model import ScriptedModel
from actalog_contracts.runs import RunEvent
from actalog_core.events import decode
from actalog_core.settings import Settings
from actalog_testing.scripted import Answer, Request, ScriptedServer

KEY = "scripted"  # the SDKs want one


@dataclass
class IsolatedPlatform:
    """A running platform. `client` submits as another system does; `models` is the server behind
    every model of the App: one without a script answers as a small demo model."""

    app: App
    platform: Platform
    client: Client
    models: ScriptedServer
    tenant_id: str = "default"

    async def run(self, agent: Agent | str, input: Any, **options: Any) -> RunOutput:
        """As `Agent.arun`, on this platform. `agent` is an agent of the App, or its id."""
        output, _ = await self.observe(agent, input, **options)
        return output

    async def observe(
        self, agent: Agent | str, input: Any, **options: Any
    ) -> tuple[RunOutput, list[RunOutputEvent]]:
        """A run and everything that was streamed of it."""
        made = Options(**options)
        run = Run.new(self._agent(agent), made, _Door(self.client))
        events = [event async for event in run.begin(input, made)]
        return run.output, events

    async def resume(self, agent: Agent | str, paused: RunOutput, *, by: str = "test") -> RunOutput:
        """As `Agent.acontinue_run`: its requirements have been decided."""
        from actalog.run.resuming import resumed

        run = resumed(self._agent(agent), paused, None, None)
        run.door = _Door(self.client)
        answers = decided(run, None, None)
        _ = [event async for event in run.answer(answers, by)]
        return run.output

    async def events(self, run_id: str) -> Sequence[RunEvent]:
        """What the log has of a run."""
        log = self.platform.on.log
        found = await log.find_run(self.tenant_id, run_id)
        if found is None:
            raise LookupError(f"there is no run {run_id!r}")
        return [decode(one.type, one.payload) for one in await log.read(found.row.run_no)]

    async def record(self, path: str | Path, *run_ids: str) -> int:
        """Keep runs in a file for `replay`; without ids all of them. How many."""
        log = self.platform.on.log
        wanted = [log.find_run(self.tenant_id, run_id) for run_id in run_ids]
        found = [one for each in wanted if (one := await each) is not None]
        return await write(
            log, found or [one async for one in every(log, self.tenant_id)], Path(path)
        )

    def _agent(self, agent: Agent | str) -> Agent:
        for one in self.app.agents:
            if agent in (one, one.id, f"agent:{one.id}"):
                return one
        raise BadDefinition(f"{agent!r} is no agent of the App.")


@dataclass(frozen=True)
class _Door:
    opened: Client

    async def client(self, agent: Agent) -> Client:
        return self.opened


@asynccontextmanager
async def isolated_platform(
    app: App, *, settings: Settings | None = None
) -> AsyncGenerator[IsolatedPlatform]:
    """A platform of its own for the App, in the running loop. As a pytest fixture:

    @pytest.fixture
    async def platform():
        async with isolated_platform(app) as running:
            yield running
    """
    async with AsyncExitStack() as stack:
        server = ScriptedServer(script=_script(app))
        base = await server.start()
        stack.push_async_callback(server.stop)
        told = settings or Settings(
            openai_api_key=KEY, openai_base_url=f"{base}/v1", anthropic_api_key=KEY,
            anthropic_base_url=base,
        )  # fmt: skip
        platform = Platform.in_memory(app, settings=told)
        await platform.start()
        stack.push_async_callback(platform.stop, 2.0)
        client = await stack.enter_async_context(Client(platform=platform))
        yield IsolatedPlatform(app, platform, client, server)


def _script(app: App) -> Any:
    scripted = {
        one.model.id: one.model for one in app.agents if isinstance(one.model, ScriptedModel)
    }

    def answer(request: Request) -> Answer | None:
        model = scripted.get(request.model)
        return model.answer(request) if model else None

    return answer
