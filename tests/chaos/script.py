"""What people ask for, and what the model says to it: functions of the question.

A question is `<run> does look,pay|put`: a group of tool calls for each turn of the model, and then
an answer.
"""

import random
import re
from dataclasses import dataclass
from typing import Any

from actalog_testing.scripted import Answer, Reply, Request, ToolUse

QUESTION = re.compile(r"^(\S+) does ([a-z,|]*)$")
CHUNKS, CHUNK_MS = 3, 60


@dataclass(frozen=True)
class Task:
    """What is asked for. `over_http`: through a gateway, else on the topic."""

    run_id: str
    agent: str
    session_id: str
    does: str
    over_http: bool

    @property
    def message(self) -> dict[str, Any]:
        return {
            "target": f"agent:{self.agent}", "input": f"{self.run_id} does {self.does or 'nothing'}",
            "run_id": self.run_id, "session_id": self.session_id,
            **({"user_id": f"user-{self.session_id}"} if self.agent == "careful" else {}),
        }  # fmt: skip

    @property
    def output(self) -> str:
        """The answer of a run in which all went well, or nearly."""
        return f"{self.run_id} is done."


def task(dice: random.Random, run_id: str, *, careful: float = 0.25) -> Task:
    """One of the mix. Some share a session and take turns."""
    kind = dice.random()
    agent = "careful" if kind < careful else "plain" if kind < careful + 0.15 else "acts"
    tools = {"careful": ["look", "put"], "plain": [], "acts": ["look", "put", "wire", "pay", "pay"]}
    does = [
        ",".join(dice.choice(tools[agent]) for _ in range(dice.choice((1, 1, 2))))
        for _ in range(dice.choice((1, 1, 2)))
    ] if tools[agent] else []  # fmt: skip
    prefix = run_id.partition("-")[0]
    shared = f"{prefix}-{agent}-{dice.randrange(12)}"
    session = shared if dice.random() < 0.2 else run_id
    return Task(run_id, agent, session, "|".join(does), dice.random() < 0.3)


def token(run_id: str, turn: int, at: int) -> str:
    """Of one call: what its effect is known by outside."""
    return f"{run_id}.{turn}.{at}"


def answer(request: Request) -> Answer | None:
    """The next turn of the last question; None (the demo model) for what nobody asked."""
    told = list(request.messages)
    last = max((at for at, said in enumerate(told) if said.role == "user"), default=None)
    asked = QUESTION.match(told[last].text.strip()) if last is not None else None
    if last is None or asked is None:
        return None
    run_id, does = asked.groups()
    turn = sum(bool(said.tool_calls) for said in told[last:])
    groups = does.split("|") if does != "nothing" else []
    if turn < len(groups):
        return Reply(
            tool_calls=[
                ToolUse(name, {"token": token(run_id, turn, at)})
                for at, name in enumerate(groups[turn].split(","))
            ],
            delay_ms=CHUNK_MS,
        )  # fmt: skip
    return Reply(f"{run_id} is done.", chunks=CHUNKS, delay_ms=CHUNK_MS)
