"""A model call: as many requests as it takes, each recorded, each under an epoch of its own."""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Literal

from actalog_bus.envelope import Postman
from actalog_calls.claims import Claims
from actalog_contracts.base import Usage
from actalog_contracts.calls import CallModel
from actalog_contracts.definitions import ModelChoice
from actalog_contracts.runs import Attempt
from actalog_core import metrics, tracing
from actalog_core.clock import Clock, Monotonic, parse_time, system_clock
from actalog_llm.ask import Answered, ask
from actalog_llm.deltas import Deltas, tell_retry
from actalog_llm.failures import failure
from actalog_llm.ports import Adapter, Failure
from actalog_llm.prompt.parts import Prompt
from actalog_llm.providers import Endpoint, whereabouts
from actalog_llm.usable import Silent, after_tools, broken
from actalog_llm.whole import Broken, Whole

FIRST_DELAY_S, MOST_DELAY_S = 0.5, 8.0  # as the SDKs themselves do
MOST_RETRY_AFTER_S = 120.0  # a provider that asks for more is not waited for
KEPT_BACK = "what was said of it is kept back: this agent's answers are reviewed"


class TakenOver(Exception):
    """Somebody else has the call: it is not tried again here."""


@dataclass(frozen=True)
class Patience:
    """How long is waited between attempts, and by which clocks; tests bring their own."""

    first_s: float = FIRST_DELAY_S
    most_s: float = MOST_DELAY_S
    most_retry_after_s: float = MOST_RETRY_AFTER_S
    jitter: Callable[[], float] = random.random  # in [0, 1)
    clock: Clock = system_clock
    monotonic: Monotonic = time.monotonic

    def delay_s(self, failed: Failure, *, tried: int, deadline: str) -> float | None:
        """Seconds until the next attempt; None when there is no sense in one."""
        if not failed.retry:
            return None
        backoff_s = min(self.first_s * 2 ** (tried - 1), self.most_s)
        delay_s = backoff_s * (0.5 + self.jitter() / 2)
        if failed.retry_after_ms is not None:
            asked_s = failed.retry_after_ms / 1_000
            if asked_s > self.most_retry_after_s:
                return None
            # Not all at the same moment, and never earlier than asked for.
            delay_s = max(delay_s, asked_s + backoff_s * self.jitter() / 4)
        late = self.clock() + timedelta(seconds=delay_s) >= parse_time(deadline)
        return None if late else delay_s


@dataclass
class ModelCall:
    """One command on its way. `quiet`: no delta may leave. `held`: nor may anything that the model
    says, before it was reviewed (protocol 9)."""

    command: CallModel
    choice: ModelChoice
    endpoint: Endpoint
    adapter: Adapter
    prompt: Prompt
    body: dict[str, Any]
    key: str  # by which `claims` knows the call
    epoch: int
    claims: Claims
    postman: Postman
    quiet: bool
    held: bool
    patience: Patience
    attempts: list[Attempt] = field(default_factory=list[Attempt])
    spent: Usage = field(default_factory=Usage)
    deltas: Deltas | None = None
    written: int = 0  # code points, by all attempts
    silent: bool = False  # one of them said nothing

    async def run(self) -> Answered | Failure:
        """Until there is an answer, or no sense in asking again.

        Raises:
            TakenOver: the call is no longer ours.
            Transient: the database was not reached.
        """
        while True:
            tried = await self._attempt()
            if isinstance(tried, Answered):
                return tried
            if len(self.attempts) >= self.choice.max_attempts:
                return tried
            delay_s = self.patience.delay_s(
                tried, tried=len(self.attempts), deadline=self.command.deadline
            )
            if delay_s is None:
                return tried
            await self._begin_anew(tried)
            await asyncio.sleep(delay_s)

    def send_rest(self) -> None:
        """What is left of the deltas is on its way."""
        if self.deltas is not None:
            self.deltas.send_rest()

    async def _begin_anew(self, failed: Failure) -> None:
        """The next attempt has its own epoch before its first delta (protocol 6.7)."""
        await self.claims.stands(self.key)
        epoch = await self.claims.next_epoch(self.key, self.epoch)
        if epoch is None:
            raise TakenOver(self.key)
        self.epoch = epoch
        metrics.MODEL_RETRIES.labels(self.choice.provider, failed.kind).inc()
        if not self.quiet:
            await tell_retry(self.postman, self.command, epoch=epoch, detail=failed.kind)

    async def _attempt(self) -> Answered | Failure:
        began = self.patience.monotonic()
        self.deltas = self._deltas()
        try:
            with self._span() as span:
                answered = await ask(
                    self.adapter, self.endpoint, self.body, self.choice, self._show
                )
                _tell(span, answered)
                self._judge(answered.whole)
        except Exception as error:  # noqa: BLE001, whatever an SDK raises is an outcome
            self.deltas.drop()
            where = whereabouts(self.choice, self.endpoint)
            told = failure(error, secret=self.endpoint.api_key, where=where)
            if self.held and _quotes(error, told):
                told = replace(told, message=f"{told.kind}: {KEPT_BACK}")
            if isinstance(error, Broken) and error.usage is not None:
                self.spent = self.spent.plus(error.usage)
            self._record(began, told)
            return told
        except BaseException:
            self.deltas.drop()
            self._record(began, Failure("unknown", "broken off"))
            raise
        self.deltas.end()
        self._record(began, None)
        return answered

    def _judge(self, whole: Whole) -> None:
        """Whether it is of use. Silence is asked again once; after tools the second one is an answer.

        Raises:
            Broken: it is not.
        """
        problem = broken(whole, self.prompt)
        if isinstance(problem, Silent):
            no_more = self.silent or len(self.attempts) + 1 >= self.choice.max_attempts
            if no_more and problem.meant and after_tools(self.prompt):
                return
            problem.again, self.silent = not self.silent, True
        if problem is not None:
            raise problem

    def _show(self, kind: Literal["text", "reasoning"], text: str) -> None:
        self.written += len(text)
        if self.deltas is not None:
            self.deltas.add(kind, text)

    def _deltas(self) -> Deltas:
        return Deltas(
            self.command, epoch=self.epoch, postman=self.postman, quiet=self.quiet,
            stands=lambda: self.claims.stands(self.key),
        )  # fmt: skip

    def _record(self, began: float, told: Failure | None) -> None:
        self.attempts.append(
            Attempt(
                epoch=self.epoch, kind=told.kind if told else None,
                message=told.message if told else "",
                retry_after_ms=told.retry_after_ms if told else None,
                duration_ms=int((self.patience.monotonic() - began) * 1_000),
            )
        )  # fmt: skip

    def _span(self) -> Any:
        if not tracing.exported():
            return tracing.NOTHING
        attributes: dict[str, tracing.Attribute] = {
            tracing.OPERATION: tracing.CHAT,
            tracing.PROVIDER: tracing.provider(self.choice.provider),
            tracing.REQUEST_MODEL: self.choice.id, tracing.RUN: self.command.run_id,
            tracing.CONVERSATION: self.command.session_id,
        }  # fmt: skip
        return tracing.span(
            f"{tracing.CHAT} {self.choice.id}", attributes, kind=tracing.SpanKind.CLIENT
        )


def _quotes(error: Exception, told: Failure) -> bool:
    """Whether a failure may be in the model's words: its refusal, or what a provider says of a
    message that it could not read."""
    if isinstance(error, Broken):
        return error.quotes
    return told.kind in ("refused", "malformed") and hasattr(error, "body")


def _tell(span: tracing.Span, answered: Answered) -> None:
    """What the provider said, where somebody records it."""
    if not span.is_recording():
        return
    whole, usage = answered.whole, answered.whole.usage
    span.set_attribute(tracing.RESPONSE_ID, answered.request_id or whole.id or "")
    span.set_attribute(tracing.RESPONSE_MODEL, whole.model or "")
    span.set_attribute(tracing.FINISH, (whole.finish,))
    if usage is not None:
        span.set_attribute(tracing.INPUT_TOKENS, usage.input_tokens)
        span.set_attribute(tracing.OUTPUT_TOKENS, usage.output_tokens)
