"""Command in, one reply out."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import lru_cache

import structlog
from prometheus_client import Counter, Histogram
from pydantic import ValidationError

from actalog_bus.envelope import Postman
from actalog_bus.ports import Delivery
from actalog_calls.answering import answer_claimed
from actalog_calls.claims import Claims
from actalog_calls.since import Since
from actalog_contracts.base import TextRef, Usage
from actalog_contracts.calls import CallModel
from actalog_contracts.definitions import ModelChoice
from actalog_contracts.runs import ModelFailed, ModelReplied
from actalog_core import genai, metrics
from actalog_core.canonical import keyed_digest
from actalog_core.clock import parse_time
from actalog_core.errors import Transient
from actalog_core.misfits import misfit
from actalog_core.settings import Settings
from actalog_llm import outcomes, wire
from actalog_llm.adapters.loading import Adapters
from actalog_llm.ask import Answered
from actalog_llm.attempts import ModelCall, Patience, TakenOver
from actalog_llm.media import MOST_BYTES, Blobs, NotTaken, blobs_of
from actalog_llm.ports import Failure
from actalog_llm.prompt import Prompt
from actalog_llm.prompt.cache import PromptCache
from actalog_llm.providers import NotConfigured, endpoint, provider
from actalog_llm.whole import without_echo, without_thoughts
from actalog_log.beside_ports import Held
from actalog_log.call_ports import Claim, ledger_key
from actalog_log.ports import RunLog

log = structlog.get_logger()
MOST_UNPAID = 1_000  # calls


@dataclass
class LlmHandlers:
    """Calls models for runs."""

    log: RunLog
    prompts: PromptCache
    adapters: Adapters
    claims: Claims
    postman: Postman
    settings: Settings
    patience: Patience = field(default_factory=Patience)
    key: bytes | None = None  # the installation's, read once
    # What was asked beside a claim that nobody answered, by the call's name: who hears the command
    # again here pays for it.
    unpaid: OrderedDict[str, Usage] = field(default_factory=OrderedDict[str, Usage])

    def __post_init__(self) -> None:
        self.since = Since(self.patience.clock)

    async def call_model(self, delivery: Delivery) -> None:
        """The request is on its way while the call is claimed; nothing leaves before it is ours
        (protocol 6.3). Asking a model again does no harm but its cost."""
        try:
            command = CallModel.model_validate_json(delivery.record.value or b"")
        except ValidationError as error:
            raise misfit("model.call", error) from None

        begun: list[ModelCall] = []

        async def run(claim: Claim) -> ModelReplied | ModelFailed:
            return await self._until_ended(command, claim, begun)

        def leaving() -> None:
            for call in begun:
                call.send_rest()

        try:
            await answer_claimed(
                delivery, command, claims=self.claims, postman=self.postman, run=run,
                beside=True, heard_before=self.since.heard_before(delivery.record), leaving=leaving,
            )  # fmt: skip
        except Transient:
            self._owe(ledger_key(command.run_no, command.call_id), begun)
            raise

    def _owe(self, key: str, begun: list[ModelCall]) -> None:
        """An answer that we hold tells its own cost."""
        if begun and not self.claims.holds(key):
            self.unpaid[key] = outcomes.cost(begun)
            while len(self.unpaid) > MOST_UNPAID:
                self.unpaid.popitem(last=False)

    async def _until_ended(
        self, command: CallModel, claim: Claim, begun: list[ModelCall]
    ) -> ModelReplied | ModelFailed:
        """The request is broken off when a renewal says that its run has ended, or that somebody
        else has the call. What it cost until then is told."""
        task = asyncio.current_task()
        assert task is not None
        known = False

        def end() -> None:
            lose()
            task.cancel()

        def lose() -> None:  # whoever answers the command cancels us
            nonlocal known
            known = True

        self.claims.on_ended(claim.call_id, end)
        self.claims.on_lost(claim.call_id, lose)
        try:
            return await self._call(command, claim, begun)
        except TakenOver:
            pass
        except asyncio.CancelledError:
            if not known or task.uncancel() > 0:
                raise
        epoch = self.claims.epoch(claim.call_id)  # 0: begun beside a claim that was another's
        if not (epoch or begun):
            raise asyncio.CancelledError("nothing was asked")
        return outcomes.broken_off(command, begun, epoch=epoch)

    async def _call(
        self, command: CallModel, claim: Claim, begun: list[ModelCall]
    ) -> ModelReplied | ModelFailed:
        if self.patience.clock() >= parse_time(command.deadline):  # it has waited in a topic
            told = Failure("timeout", "the run's deadline had passed before the model was asked")
            return outcomes.failed(command, told, epoch=claim.epoch)
        prompt = await self.prompts.prompt(command)
        definition = await self.prompts.definitions.pinned(command.definition)
        # Whatever it is for: what is remembered is reviewed as an answer is (protocol 9).
        choice, held = definition.model, bool(definition.output_checks)
        try:
            where = endpoint(choice, self.settings)
        except NotConfigured as error:
            told = Failure(error.kind, error.message)
            return outcomes.failed(command, told, epoch=claim.epoch, prompt=prompt.record)
        try:
            blobs = await self._blobs(command.tenant_id, prompt)
            if blobs:  # megabytes that become base64 would hold up everybody's deltas and leases
                body = await asyncio.to_thread(wire.body, choice, prompt, blobs)
            else:
                body = wire.body(choice, prompt)
        except NotTaken as error:
            told = Failure("invalid_request", str(error))
            return outcomes.failed(command, told, epoch=claim.epoch, prompt=prompt.record)
        call = ModelCall(
            command=command, choice=choice, endpoint=where, body=body,
            prompt=prompt, adapter=await self.adapters.of(where.dialect), key=claim.call_id, epoch=claim.epoch,
            claims=self.claims, postman=self.postman, patience=self.patience,
            spent=outcomes.cost(begun) if begun else self.unpaid.pop(claim.call_id, Usage()),
            quiet=not command.stream or command.purpose != "answer" or held, held=held,
        )  # fmt: skip
        begun.append(call)
        return await self._answered(call)

    async def _blobs(self, tenant_id: str, prompt: Prompt) -> Blobs:
        """What the prompt's media name: of earlier runs, the newest as far as there is room.

        Raises:
            NotTaken: the run's own are more than a request takes.
        """
        found: dict[str, tuple[str, bytes]] = {}
        room = MOST_BYTES
        for blob_id, own in blobs_of(prompt.parts).items():
            blob = await self.log.get_blob(tenant_id, blob_id) if room > 0 or own else None
            if blob is None:
                continue
            if len(blob[1]) <= room:
                found[blob_id] = blob
            elif own:
                said = f"media: more than {MOST_BYTES} bytes in one request"
                raise NotTaken(f"{said}; send less, or the address of it")
            room -= len(blob[1])
        return found

    async def _answered(self, call: ModelCall) -> ModelReplied | ModelFailed:
        began = self.patience.monotonic()
        tried = await call.run()
        seconds = self.patience.monotonic() - began
        metrics.MODEL_SECONDS.labels(call.choice.provider, call.choice.id).observe(seconds)
        if isinstance(tried, Failure):
            genai.called(call.choice.provider, call.choice.id, seconds=seconds, error=tried.kind)
            return outcomes.failed(
                call.command, tried, epoch=call.epoch, prompt=call.prompt.record,
                attempts=call.attempts, spent=call.spent,
            )  # fmt: skip
        whole = tried.whole
        if call.held:
            whole = without_thoughts(whole)
        elif provider(call.choice.provider).thoughts == "dropped":
            whole = without_echo(whole)
        tried = Answered(whole, tried.request_id, tried.first_token_ms)
        reply = outcomes.replied(
            call.command, call.choice, call.prompt, tried, attempts=call.attempts, spent=call.spent,
            duration_ms=int(seconds * 1_000),
        )  # fmt: skip
        _count(call.choice, reply, seconds)
        return await self._held_back(call.command, reply) if call.held else reply

    async def _held_back(self, command: CallModel, reply: ModelReplied) -> ModelReplied:
        """The message waits beside the log until it was reviewed (protocol 9)."""
        held_id, text = outcomes.held_row(reply)
        if self.key is None:
            self.key = await self.log.installation_key()
        await self.log.put_held(Held(command.tenant_id, held_id, command.run_no, text))
        digest = keyed_digest(self.key, text.encode())
        return outcomes.as_held(reply, TextRef(held=held_id, digest=digest))


def _count(choice: ModelChoice, reply: ModelReplied, seconds: float) -> None:
    labels, usage = (choice.provider, choice.id), reply.usage
    genai.called(
        *labels, seconds=seconds, input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
    )  # fmt: skip
    first_token, read, written = _meters(*labels)
    if reply.first_token_ms is not None:
        first_token.observe(reply.first_token_ms / 1_000)
    read.inc(usage.input_tokens)
    written.inc(usage.output_tokens)


@lru_cache(1_024)
def _meters(provider: str, model: str) -> tuple[Histogram, Counter, Counter]:
    """Of the time to the first token, and of tokens read and written; looked up once."""
    tokens = metrics.MODEL_TOKENS
    return (
        metrics.FIRST_TOKEN_SECONDS.labels(provider, model),
        tokens.labels(provider, model, "input"), tokens.labels(provider, model, "output"),
    )  # fmt: skip
