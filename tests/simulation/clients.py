"""Those who use the platform: they send, repeat, cancel, and answer what is asked of a person."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from actalog_contracts.border import BadInput
from actalog_contracts.tasks import RequirementResolve, RunCancel
from actalog_core.clock import rfc3339
from actalog_gateway.acceptance import Acceptance
from actalog_gateway.problems import Problem
from tests.simulation.plan import Task

if TYPE_CHECKING:
    from tests.simulation.world import World

CANCELLED = "run.cancelled.v1"
ANSWER_S = 4.0  # that a client waits for the gateway


class Person:
    """Sends one task and follows it. What it was told counts as accepted."""

    def __init__(self, world: "World", task: Task) -> None:
        self.world, self.task = world, task
        self.dice = random.Random(f"person {world.plan.seed} {task.token}")
        self._run_id: str | None = None if task.nameless else task.token
        self.accepted = False
        self.refused: str | None = None
        self.sent = False

    @property
    def run_id(self) -> str | None:
        """None: it has no name that this person knows yet."""
        if self._run_id is None:
            self._run_id = self.world.run_of(self.task.token)
        return self._run_id

    def body(self, *, other: bool = False) -> dict[str, Any]:
        task = self.task
        told: dict[str, Any] = {
            "target": f"agent:{task.agent}",
            "input": f"[{task.token}] {task.script}{' please' if other else ''}",
        }
        if not task.nameless:
            told["run_id"] = task.token
        if task.session:
            told["session_id"] = task.session
        if task.user:
            told["user_id"] = task.user
        if task.deadline_s is not None:
            at = self.world.clock() + timedelta(seconds=task.deadline_s)
            told.setdefault("deadline", rfc3339(at))
        return told

    async def live(self) -> None:
        """From the first sending on, until the run has ended."""
        world, task = self.world, self.task
        loop = world.loop
        if task.cancel_at is not None:
            loop.create_task(self._cancel())
        await asyncio.sleep(task.at)
        body = self.body()
        world.submitted[task.token], losses = self, world.broker.losses
        await self._submit(body)
        for n in range(task.repeats):
            await asyncio.sleep(self.dice.uniform(0.05, 2))
            await self._submit(body, again=n + 1)
        if task.conflicts and not task.nameless:
            await self._submit(self.body(other=True), quiet=True)
        self.sent = True
        for n in range(task.persons):
            loop.create_task(self._answer(n))
        while task.by == "topic" and not self.answered():
            await asyncio.sleep(1)
            if world.broker.losses > losses:  # a result that never comes is asked for again
                losses = world.broker.losses
                await self._submit(body, again=99)

    def answered(self) -> bool:
        """Whether it became a run, or was refused."""
        if self.refused is None and self.run_id and self.world.ended(self.run_id) is not None:
            return True
        late = self.task.deadline_s is not None and self.world.expired(self.run_id)
        self.refused = self.refused or ("expired" if late else None)
        return self.refused is not None

    async def _submit(self, body: dict[str, Any], *, again: int = 0, quiet: bool = False) -> None:
        """Until somebody has taken it."""
        while self.refused is None:
            if self.task.by == "gateway":
                taken = await self._over_the_gateway(body)
            else:
                taken = await self._on_the_topic(body, id=f"{self.task.token}.task")
            if quiet or taken:
                self.accepted = self.accepted or taken
                if taken and self.refused is None:
                    self.world.watch.took(self.run_id, "task")
                return
            await asyncio.sleep(self.dice.uniform(0.2, 1))

    async def _over_the_gateway(self, body: dict[str, Any]) -> bool:
        key = f"key {self.task.token}" if self.task.nameless else None

        async def ask(acceptance: Acceptance) -> str:
            sent = json.dumps(body).encode()
            try:
                return (await acceptance.submit(sent, {}, tenant_id="default", key=key)).run_id
            except (Problem, BadInput) as error:
                return f"! {getattr(error, 'code', 'bad_input')}"

        told = await self.world.ask_gateway(ask, self.dice)
        if told is None or told == "! overloaded":
            return False
        if told.startswith("! "):
            self.refused = self.refused or (None if "conflict" in told else told)
            return True
        self._run_id = told
        return True

    async def _on_the_topic(self, body: dict[str, Any], *, id: str) -> bool:
        """Another system's producer: acknowledged is taken. Its repeats have the same ids."""
        headers = (
            ("ce_id", id.encode()), ("ce_source", b"/clients"), ("ce_specversion", b"1.0"),
            ("ce_type", b"task.submit.v1"),
        )  # fmt: skip
        key = (self.task.session or self.task.token).encode()
        return await self.world.produce("actalog.tasks", json.dumps(body).encode(), key, headers)

    # What follows.

    async def _cancel(self) -> None:
        assert self.task.cancel_at is not None
        await asyncio.sleep(self.task.cancel_at)
        cancel = RunCancel(run_id=self.task.token, reason="changed my mind", by="somebody")
        taken = await self._tell(
            cancel.model_dump(mode="json", exclude_none=True),
            lambda gateway: gateway.cancel(
                cancel, tenant_id="default", session_id=self.task.session or self.task.token
            ),
        )
        if taken:
            self.world.watch.took(self.task.token, CANCELLED)

    async def _answer(self, n: int) -> None:
        """Look now and then whether something is asked of a person."""
        while True:
            await asyncio.sleep(self.task.answers_after_s * self.dice.uniform(0.5, 1.5))
            run_id = self.run_id
            if self.refused or (run_id and self.world.ended(run_id)):
                return
            for id, kind in self.world.open_requirements(run_id) if run_id else ():
                await self._resolve(n, run_id or "", id, kind)

    async def _resolve(self, n: int, run_id: str, id: str, kind: str) -> None:
        decision: Any = self.task.decision
        if n:
            decision = "reject" if decision == "approve" else "approve"
        if kind == "in_doubt":
            acted = self.world.has_acted(run_id, id.rpartition(":")[0])
            decision = "done" if acted else "not_done"
        answer = RequirementResolve(
            run_id=run_id, requirement_id=id, decision=decision, by=f"person {n}"
        )
        await self._tell(
            answer.model_dump(mode="json", exclude_none=True, exclude_defaults=False),
            lambda gateway: gateway.resolve(
                answer, tenant_id="default", session_id=self.task.session or run_id
            ),
        )
        self.world.watch.took(run_id, id)

    async def _tell(
        self, body: dict[str, Any], ask: Callable[[Acceptance], Awaitable[None]]
    ) -> bool:
        """A control, until somebody has answered; False: it was refused at once."""

        async def asked(acceptance: Acceptance) -> str:
            try:
                await ask(acceptance)
            except Problem as error:
                return f"! {error.code}"
            return "taken"

        while True:
            if self.task.by == "gateway":
                told = await self.world.ask_gateway(asked, self.dice)
                if told is not None:
                    return told == "taken"
                taken = False
            else:
                key = (self.task.session or self.task.token).encode()
                value = json.dumps(body).encode()
                taken = await self.world.produce("actalog.tasks", value, key, ())
            if taken:
                return True
            await asyncio.sleep(self.dice.uniform(0.2, 1))
