"""From `Agent.run` to a task on the platform, and from what is told of it to an output."""

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from actalog.client.transport import Followed
from actalog.errors import BadCall
from actalog.media import Audio, File, Image, Video, as_task
from actalog.models.base import choice
from actalog.run.agent import RunOutput, RunOutputEvent
from actalog.run.front import FRONTS, forget_paused, keep_paused
from actalog.run.requirement import RunRequirement
from actalog.run.story import Story
from actalog.schemas import json_schema
from actalog_contracts.streams import Delta
from actalog_contracts.tasks import RunResult, TaskSubmit
from actalog_core.foreign import read_or_text

if TYPE_CHECKING:
    from actalog.agent import Agent
    from actalog.client.client import Client

log = logging.getLogger("actalog")


@dataclass(frozen=True, kw_only=True)
class Options:
    """What `run` was told beside the input."""

    user_id: str | None = None
    session_id: str | None = None
    run_id: str | None = None
    session_state: Mapping[str, Any] | None = None
    dependencies: Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] | None = None
    output_schema: Any = None
    images: Sequence[Image] | None = None
    audio: Sequence[Audio] | None = None
    videos: Sequence[Video] | None = None
    files: Sequence[File] | None = None

    def media(self) -> list[dict[str, Any]] | None:
        """As a task has them."""
        told = as_task(
            {"images": (Image, self.images), "audio": (Audio, self.audio),
             "videos": (Video, self.videos), "files": (File, self.files)}
        )  # fmt: skip
        return told or None


class Door(Protocol):
    """Where runs go."""

    async def client(self, agent: "Agent") -> "Client":
        """A started client of a platform that can run this agent."""
        ...


class Run:
    """One run of an agent, begun by this program. Lives on the background loop."""

    def __init__(self, agent: "Agent", story: Story, door: "Door | None" = None) -> None:
        self.agent, self.story, self.door = agent, story, door

    @classmethod
    def new(cls, agent: "Agent", options: Options, door: "Door | None" = None) -> "Run":
        """A run that has not begun."""
        run_id = options.run_id or str(uuid.uuid4())
        user_id = options.user_id or agent.user_id
        session_id = options.session_id or agent.session_for(user_id) or run_id
        model = choice(agent.model)
        output = RunOutput(
            run_id=run_id, session_id=session_id, agent_id=agent.id,
            agent_name=agent.name or agent.id, user_id=user_id, model=model.id,
            model_provider=model.provider,
        )  # fmt: skip
        parse = _parser(options.output_schema or agent.output_schema)
        return cls(agent, Story(output, parse=parse), door)

    @property
    def output(self) -> RunOutput:
        return self.story.output

    async def begin(self, input: Any, options: Options) -> AsyncGenerator[RunOutputEvent, None]:
        """Submit the task; what happens until it ends or pauses."""
        client = await (self.door or FRONTS.now()).client(self.agent)
        task = _task(client, self.output, input, options)
        async with client.watch(self.output.run_id) as heard:
            await client.transport.send(task)
            async for event in self._follow(client, heard):
                yield event

    async def answer(
        self, requirements: list[RunRequirement], by: str | None
    ) -> AsyncGenerator[RunOutputEvent, None]:
        """Give a person's decisions; what happens until it ends or pauses again."""
        client = await (self.door or FRONTS.now()).client(self.agent)
        run_id, self.story.resolving = self.output.run_id, {one.id for one in requirements}
        async with client.watch(run_id, after=self.story.seq) as heard:
            for one in requirements:
                await client.resolve(
                    one.run_id, one.id, "approve" if one.decision else "reject",
                    digest=one.tool_execution.digest, note=one.note, by=by,
                )  # fmt: skip
            forget_paused(self)
            async for event in self._follow(client, heard):
                yield event

    async def _follow(
        self, client: "Client", heard: AsyncIterator[Followed]
    ) -> AsyncGenerator[RunOutputEvent, None]:
        try:
            async for one in heard:
                for event in self._hear(one):
                    yield event
                if not isinstance(one, Delta) and self.story.rests:
                    break
        except asyncio.CancelledError:
            with contextlib.suppress(Exception):  # whoever waited went away: the run is not wanted
                async with asyncio.timeout(2):
                    await client.cancel(self.output.run_id, reason="its caller was cancelled")
            raise
        if self.output.is_paused:
            keep_paused(self)

    def _hear(self, one: Followed) -> Iterator[RunOutputEvent]:
        match one:
            case Delta():
                return self.story.hear_delta(one)
            case RunResult():
                return self.story.hear_result(one)
            case _:
                return self.story.hear_event(one)


def _task(client: "Client", output: RunOutput, input: Any, options: Options) -> TaskSubmit:
    wanted = options.output_schema
    schema = None if wanted is None else json_schema(wanted, name="output_schema")
    return client.task(
        f"agent:{output.agent_id}", _input(input), run_id=output.run_id,
        session_id=output.session_id, user_id=output.user_id, session_state=options.session_state,
        dependencies=options.dependencies, metadata=options.metadata, output_schema=schema,
        media=options.media(),
    )  # fmt: skip


def _input(given: Any) -> Any:
    if hasattr(given, "model_dump"):
        return given.model_dump(mode="json")
    if isinstance(given, str | Mapping):
        return cast("str | Mapping[str, Any]", given)
    raise BadCall(f"input must be text, a dict or a pydantic object, not {type(given).__name__}.")


def _parser(schema: Any) -> Callable[[str], Any] | None:
    """Makes the author's own class of a structured answer; what does not fit stays a dict."""
    if not (isinstance(schema, type) and hasattr(schema, "model_validate_json")):
        return None

    def parse(text: str) -> Any:
        try:
            return schema.model_validate_json(text)  # type: ignore[attr-defined]
        except ValueError as error:
            log.warning("The answer does not fit %s: %s", schema.__name__, error)
            return read_or_text(text)

    return parse
