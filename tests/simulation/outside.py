"""The world outside: a model that answers by what it is asked, and tools that leave traces.

Both keep count of what really happened, whatever the platform believes.
"""

import asyncio
import json
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from actalog_contracts.definitions import (
    AgentDefinition,
    InjectionCheck,
    Limits,
    ModelChoice,
    PiiCheck,
    ToolDefinition,
)  # fmt: skip
from actalog_llm.accumulate_openai import OpenAIAccumulator
from actalog_llm.ports import Opened
from actalog_tools.functions import describe
from tests.simulation.broker import Hook
from tests.simulation.loop import OWNER, Process, SimLoop
from tests.simulation.recovery import Watch, Work


@dataclass(frozen=True, slots=True)
class Effect:
    """Something happened outside. `key` is what the outside recognises a repeat by."""

    tool: str
    token: str
    key: str | None
    at: float


@dataclass
class Outside:
    """What happened. `asked` are requests that reached the model, by (token of the run, turn)."""

    loop: SimLoop
    hook: Hook
    dice: random.Random
    watch: Watch
    effects: list[Effect] = field(default_factory=list[Effect])
    by_key: dict[str, str] = field(default_factory=dict[str, str])
    asked: dict[tuple[str, int], int] = field(default_factory=dict[tuple[str, int], int])
    remembered: int = 0
    on_its_way: Counter[str] = field(default_factory=Counter[str])  # requests, by token

    async def act(self, tool: str, token: str, key: str | None = None) -> str:
        """Send a request that changes something; it arrives although its sender dies."""
        owner = OWNER.get() or self.loop.world
        arrived: asyncio.Future[str] = self.loop.create_future()
        delay_s = 0.01 + self.dice.random() * 0.4
        if self.hook("tool.begin", owner, tool) == "slow":
            delay_s += 2 + self.dice.random() * 8
        context = self.loop.within(self.loop.world)
        self.on_its_way[token] += 1
        self.loop.call_later(
            delay_s, lambda: self._acted(owner, tool, token, key, arrived), context=context
        )
        work = self.watch.begins(owner, [run_of(token)])
        told = await arrived
        await asyncio.sleep(0.01 + self.dice.random() * 0.2)
        self.watch.ends(work)
        return told

    def _acted(
        self, owner: Process, tool: str, token: str, key: str | None,
        arrived: "asyncio.Future[str]",
    ) -> None:  # fmt: skip
        self.on_its_way[token] -= 1
        if key is None or key not in self.by_key:
            self.effects.append(Effect(tool, token, key, self.loop.now))
            if key is not None:
                self.by_key[key] = token
        if self.hook("tool.effect", owner, tool) == "kill":
            owner.kill()
        elif not arrived.done():
            arrived.set_result(f"{tool} {token}")

    def tokens(self) -> set[str]:
        """Of all that happened or is on its way."""
        return {one.token for one in self.effects} | set(self.on_its_way)

    def knows(self, token: str) -> bool:
        """Whether it has happened or will: who asks there is told of what is on its way, too."""
        return self.on_its_way[token] > 0 or any(one.token == token for one in self.effects)

    def effects_of(self, token: str) -> int:
        return sum(one.token == token for one in self.effects)


def run_of(token: str) -> str:
    """The token of the run whose call has this one."""
    return token.partition(".")[0]


_NOW: list[Outside] = []


def is_outside(outside: Outside) -> None:
    """Tools are functions of the author and know no world: there is one at a time."""
    _NOW[:] = [outside]


async def look(token: str) -> str:
    """Look something up."""
    outside = _NOW[0]
    owner = OWNER.get() or outside.loop.world
    slow = outside.hook("tool.begin", owner, "look") == "slow"
    work = outside.watch.begins(owner, [run_of(token)])
    await asyncio.sleep(6.0 if slow else 0.02 + outside.dice.random() * 0.2)
    outside.watch.ends(work)
    return f"look {token}"


async def pay(token: str) -> str:
    """Pay: at most once."""
    return await _NOW[0].act("pay", token)


async def put(token: str, idempotency_key: str) -> str:
    """Put: the same key again changes nothing."""
    return await _NOW[0].act("put", token, idempotency_key)


async def wire(token: str) -> str:
    """Wire money, once a person has said so."""
    return await _NOW[0].act("wire", token)


def count(token: str, session_state: dict[str, Any]) -> str:
    """Note something in the session's state. Not async: it runs in a thread."""
    session_state[token] = session_state.get(token, 0) + 1
    return f"count {token}"


TOOLS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "look": (look, {"effect": "read_only"}),
    "pay": (pay, {"effect": "once"}),
    "put": (put, {"effect": "idempotent"}),
    "wire": (wire, {"effect": "once", "requires_confirmation": True}),
    "count": (count, {"effect": "idempotent"}),
}
CALLABLES = {f"agent/tools/{name}": function for name, (function, _) in TOOLS.items()}


def _tools(*names: str) -> tuple[ToolDefinition, ...]:
    made: list[ToolDefinition] = []
    for name in names:
        function, declared = TOOLS[name]
        spec = describe(function)
        made.append(
            ToolDefinition(
                name=name,
                description=spec.description,
                parameters=spec.parameters,
                path=f"agent/tools/{name}",
                fingerprint=spec.fingerprint,
                timeout_ms=9_000,
                wants_key=spec.wants_key,
                **declared,
            )
        )
    return tuple(made)


def _agent(id: str, **more: Any) -> AgentDefinition:
    model = ModelChoice(
        provider="openai", id="m", first_token_timeout_ms=8_000, between_tokens_timeout_ms=4_000
    )
    return AgentDefinition(id=id, name=id, model=model, instructions=("Be brief.",), **more)


DEFINITIONS = (
    _agent("plain"),
    _agent("acts", tools=_tools("look", "pay", "put", "count"), history_runs=2, show_state=True),
    _agent("asks", tools=_tools("look", "wire", "pay")),
    _agent(
        "guarded", tools=_tools("look", "put"), input_checks=(PiiCheck(), InjectionCheck()),
        output_checks=(PiiCheck(),),
    ),
    _agent("learns", tools=_tools("put"), memories=True, learn=True, summary=True),
    _agent("hasty", tools=_tools("pay", "wire", "look"), limits=Limits(deadline_ms=6_000)),
    _agent("side", tools=_tools("put", "pay"), overlap=True, history_runs=1),
    _agent(
        "discreet", tools=_tools("put"), memories=True, learn=True, summary=True,
        output_checks=(PiiCheck(),),
    ),
)  # fmt: skip

PRIVATE = "ann@example.org"  # what a model says of whoever it shall remember


# The model. What a person writes is `[token] a,b|c`: turns of tool calls, then an answer.


def script(text: str) -> tuple[str, list[list[str]]] | None:
    """(token, the tools of each turn) of a person's message."""
    start, end = text.find("["), text.find("]")
    if start < 0 or end < start:
        return None
    told = text[end + 1 :].partition(";")[0].strip()
    return text[start + 1 : end], [one.split(",") for one in told.split("|") if one]


@dataclass(frozen=True, slots=True)
class Say:
    """What the model says. `key`: the run's token and the turn, for what is no remembering."""

    text: str
    tools: tuple[tuple[str, str], ...] = ()  # (name, token)
    key: tuple[str, int] | None = None


def answer(messages: list[dict[str, Any]]) -> Say:
    """A function of the prompt and of nothing else."""
    system = str(messages[0].get("content")) if messages[0]["role"] == "system" else ""
    if '"operations"' in system:
        return Say(json.dumps({"operations": [{"op": "add", "text": f"Is {PRIVATE}."}]}))
    if '{"summary"' in system:
        return Say(json.dumps({"summary": f"They talked of {PRIVATE}."}))
    at = max(i for i, one in enumerate(messages) if one["role"] == "user")
    told = script(str(messages[at]["content"]))
    assert told is not None, messages[at]
    token, turns = told
    done = sum(bool(one.get("tool_calls")) for one in messages[at:])
    if done >= len(turns):
        return Say(final(token), key=(token, done))
    calls = tuple((name, f"{token}.{done}.{n}") for n, name in enumerate(turns[done]))
    return Say(f"I look into it ({token}).", calls, (token, done))


TOKENS = re.compile(r"\[(r\d+)\]")


def final(token: str) -> str:
    """The answer that a run with this token must have in the end."""
    return f"[{token}] It is done, and nothing is left to do about it."


class SimAdapter:
    """The model behind the port of the llm service; see `actalog_llm.ports.Adapter`."""

    def __init__(self, outside: Outside) -> None:
        self.outside = outside

    def accumulator(self) -> OpenAIAccumulator:
        return OpenAIAccumulator()

    async def open(self, endpoint: object, body: dict[str, Any], *, connect_s: float) -> Opened:
        outside, owner = self.outside, OWNER.get() or self.outside.loop.world
        say = answer(body["messages"])
        if say.key is None:
            outside.remembered += 1
        else:
            outside.asked[say.key] = outside.asked.get(say.key, 0) + 1
        fault = outside.hook("model.begin", owner, "model")
        named = [say.key[0]] if say.key else TOKENS.findall(json.dumps(body["messages"]))
        work = outside.watch.begins(owner, named)
        wait_s = 0.05 + outside.dice.random() * 0.8
        await asyncio.sleep(wait_s + (5 + outside.dice.random() * 2 if fault == "slow" else 0))
        if fault == "refuse":
            outside.watch.ends(work)
            raise OSError("the connection was refused")
        stream = Stream(outside, say, owner, work, cut=fault == "cut")
        return Opened(stream.chunks(), stream.close, "q")


class Stream:
    """A streamed response, as chunks of a chat completion."""

    def __init__(
        self, outside: Outside, say: Say, owner: Process, work: Work, *, cut: bool
    ) -> None:
        self.outside, self.say, self.owner, self.cut = outside, say, owner, cut
        self.work = work

    async def close(self) -> None:
        self.outside.watch.ends(self.work)

    async def chunks(self) -> AsyncIterator[object]:
        text, dice = self.say.text, self.outside.dice
        if self.cut:
            text = "These are words that the whole message will not have."
        parts = [text[: len(text) // 3], text[len(text) // 3 :]]
        for at, part in enumerate(parts):
            yield _chunk({"content": part})
            if self.outside.hook("model.chunk", self.owner, "model") == "kill":
                self.owner.kill()
            await asyncio.sleep(0.01 + dice.random() * 0.2)
            if self.cut and at == 0:
                self.outside.watch.ends(self.work)
                raise OSError("the connection broke")
        calls = [
            {
                "index": at, "id": f"c{at}", "type": "function",
                "function": {"name": name, "arguments": orjson.dumps({"token": token}).decode()},
            }
            for at, (name, token) in enumerate(self.say.tools)
        ]  # fmt: skip
        yield _chunk(
            {"tool_calls": calls} if calls else {}, finish="tool_calls" if calls else "stop"
        )
        self.outside.watch.ends(self.work)
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        yield {"id": "q", "model": "m", "choices": [], "usage": usage}


def _chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {
        "id": "q",
        "model": "m",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }
