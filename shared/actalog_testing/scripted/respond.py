"""From an answer of the script to what is written on the connection."""

from collections.abc import Sequence
from types import ModuleType
from typing import assert_never

from actalog_testing.scripted import anthropic_wire, openai_wire
from actalog_testing.scripted.http import Ending, HttpResponse, Pause, Step
from actalog_testing.scripted.request import Request, Wire
from actalog_testing.scripted.script import Answer, Fault, Reply

WIRES: dict[Wire, ModuleType] = {"openai": openai_wire, "anthropic": anthropic_wire}


def respond(answer: Answer, request: Request) -> HttpResponse:
    """The response that says it, in the request's wire, streamed when the request asked so."""
    match answer:
        case Reply():
            return _sent(answer, Fault(), request)
        case Fault(status=int()):
            return _refused(answer, request)
        case Fault():
            return _sent(answer.reply, answer, request)
        case _:
            assert_never(answer)


def refuse(wire: Wire, status: int, message: str) -> HttpResponse:
    """The wire's own error body."""
    body: bytes = WIRES[wire].error(status, message)
    return HttpResponse(status, "application/json", [body])


def _refused(fault: Fault, request: Request) -> HttpResponse:
    assert fault.status is not None
    body: bytes = WIRES[request.wire].error(fault.status, fault.message)
    after = {} if fault.retry_after is None else {"retry-after": str(fault.retry_after)}
    return HttpResponse(fault.status, "application/json", [body], after, before=_before(fault))


def _sent(reply: Reply, fault: Fault, request: Request) -> HttpResponse:
    if request.stream:
        kind, body = "text/event-stream; charset=utf-8", _stream(reply, fault, request)
    else:
        text: bytes = WIRES[request.wire].whole(reply, request)
        kind, body = "application/json", [*_pauses(reply.delay_ms), text]
    body = _cut(body, fault.cut_after_bytes)
    return HttpResponse(200, kind, body, before=_before(fault), chunked=True)


def _stream(reply: Reply, fault: Fault, request: Request) -> list[Step]:
    wire = WIRES[request.wire]
    pieces: openai_wire.Pieces = wire.stream(reply, request)
    told = [*pieces.message, *(() if fault.missing_finish else pieces.ending)]
    steps: list[Step] = []
    for at, piece in enumerate(told):
        if at == fault.error_after_chunks:
            return [*steps, wire.in_band(fault.message)]
        if at == fault.cut_after_chunks:
            return [*steps, Ending.CUT]
        if at == fault.stall_after_chunks:
            steps.append(Pause(fault.stall_ms / 1000))
        steps += [*_pauses(reply.delay_ms), piece]
    return steps


def _cut(steps: Sequence[Step], after: int | None) -> list[Step]:
    """The steps until so many bytes of the body were sent."""
    if after is None:
        return list(steps)
    told: list[Step] = []
    for step in steps:
        if isinstance(step, bytes):
            told.append(step[:after])
            after -= len(step)
            if after <= 0:
                return [*told, Ending.CUT]
        else:
            told.append(step)
    return told


def _pauses(delay_ms: float) -> list[Step]:
    return [Pause(delay_ms / 1000)] if delay_ms else []


def _before(fault: Fault) -> list[Pause]:
    return [Pause(fault.stall_ms / 1000)] if fault.stall_before_headers else []
