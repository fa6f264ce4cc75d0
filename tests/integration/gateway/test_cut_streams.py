"""A client that is cut anywhere and comes back to another gateway misses nothing and gets nothing
twice: over two gateways, a real broker and a real PostgreSQL (protocol 8)."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest

from actalog_contracts.base import ToolCall
from actalog_contracts.runs import RequirementResolved
from actalog_testing.apache_kafka import ApacheKafka
from tests.integration.gateway.reassembly import Reader, parse
from tests.integration.gateway.two import Two, two
from tests.integration.gateway.world import Run, called, done, frames, paused, reply, returned

pytestmark = [pytest.mark.timeout(120)]
FIRST = 'Let me\r\nid: 9\rdata: x\n\n\u2028\u2029\x85 see \U0001f600. {"event": "x"}'
LAST = "Grüße 👋🏽\n\nevent: end\n\n"
EVENTS = list(range(1, 11))
CALL = ToolCall(id="", provider_id="c", name="delete_file", arguments='{"path":"/a"}')


@pytest.fixture(
    params=[
        pytest.param("embedded", marks=[pytest.mark.kafka, pytest.mark.postgres]),
        pytest.param("apache", marks=[pytest.mark.apache]),
    ]
)
async def gateways(request: pytest.FixtureRequest, fresh_database: str) -> AsyncIterator[Two]:
    if request.param == "embedded":
        bootstrap: str = request.getfixturevalue("embedded_broker")
    else:
        node: ApacheKafka = request.getfixturevalue("apache_kafka")
        bootstrap = node.bootstrap
    async with two(bootstrap, fresh_database, embedded=request.param == "embedded") as made:
        yield made


async def story(run: Run, *, pause_s: float = 0.02) -> None:
    """Ten events and twenty deltas: thoughts, an attempt that breaks off and one that answers, a
    pause for a person, a tool, an answer."""
    run_id = run.row.run_id
    await run.begin()
    at = 0
    for piece in ("hm", ", ", "let"):
        await run.delta(piece, offset=at, kind="reasoning")
        at += len(piece)
    await run.delta("An attempt that", offset=0)
    await asyncio.sleep(pause_s)
    await _write(run, FIRST, epoch=2, turn=1, pause_s=pause_s)
    await run.say(
        reply(run_id, FIRST, epoch=2, calls=[CALL]), called(run_id, confirm=True)
    )  # fmt: skip
    await run.say(paused(run_id), standing="paused")
    await asyncio.sleep(pause_s)
    approved = RequirementResolved(
        requirement_id=f"{run_id}:t1.0:confirm", decision="approve", by="ann"
    )
    await run.say(approved, standing="active")
    await run.say(returned(run_id))
    await asyncio.sleep(pause_s)
    await _write(run, LAST, epoch=1, turn=2, pause_s=pause_s)
    await run.say(reply(run_id, LAST, turn=2), done(9))


async def _write(run: Run, text: str, *, epoch: int, turn: int, pause_s: float) -> None:
    step = max(1, len(text) // 8)
    for at in range(0, len(text), step):
        await run.delta(text[at : at + step], offset=at, epoch=epoch, turn=turn)
        await asyncio.sleep(pause_s)


@dataclass
class Cuts:
    """When a connection breaks off: after that many frames, or behind that many bytes."""

    frames: int = 0
    bytes: int = 0
    every: bool = False  # not only the first connection


async def follow(gateways: Two, run_id: str, cuts: Cuts, *, at: int = 0) -> Reader:
    """A client from its first connection on until nothing more is to come; each connection is to
    the other gateway."""
    reader = Reader()
    for turn in range(2_000):
        http = gateways.https[(at + turn) % 2]
        cut = cuts if turn == 0 or cuts.every else Cuts()
        path = f"/v1/runs/{run_id}/events"
        async with http.stream("GET", path, headers=reader.headers) as answer:
            if answer.status_code == 204:
                return reader
            assert answer.status_code == 200, await answer.aread()
            await (_some_bytes if cut.bytes else _some_frames)(answer, reader, cut)
        reader.cut()
    raise AssertionError("it goes nowhere")


async def _some_frames(answer: httpx.Response, reader: Reader, cut: Cuts) -> None:
    count = itertools.count(1)
    async for frame in frames(answer):
        reader.take(frame)
        if next(count) == cut.frames:
            return


async def _some_bytes(answer: httpx.Response, reader: Reader, cut: Cuts) -> None:
    """What lies behind the cut never arrived."""
    raw = b""
    async for chunk in answer.aiter_raw():
        raw += chunk
        if len(raw) >= cut.bytes:
            break
    for frame in parse(raw[: cut.bytes]):
        reader.take(frame)


def check(reader: Reader, run_id: str) -> None:
    assert reader.seqs == EVENTS
    assert reader.texts == {f"{run_id}:m1": FIRST, f"{run_id}:m2": LAST}


async def test_a_client_cut_after_every_frame_gets_every_event_once_and_the_logged_texts(
    gateways: Two,
):
    run = await gateways.run("r")
    writing = asyncio.create_task(story(run))
    await _known(gateways, "r")
    uncut, *others = await asyncio.gather(
        follow(gateways, "r", Cuts()),
        *(follow(gateways, "r", Cuts(frames=n), at=n % 2) for n in range(1, 36)),
        *(follow(gateways, "r", Cuts(frames=n, every=True), at=n % 2) for n in range(1, 8)),
    )
    await writing
    for reader in (uncut, *others):
        check(reader, "r")
    # The client that stayed saw it written, the broken attempt too; who came back saw it again.
    assert uncut.restarts == 1
    assert uncut.deltas > 12
    assert sum(one.restarts for one in others) > len(others)


async def test_a_client_cut_in_the_middle_of_frames_gets_every_event_once(gateways: Two):
    run = await gateways.run("r")
    writing = asyncio.create_task(story(run))
    await _known(gateways, "r")
    readers = await asyncio.gather(
        *(follow(gateways, "r", Cuts(bytes=n), at=n % 2) for n in range(1, 6_000, 151)),
        *(follow(gateways, "r", Cuts(bytes=n, every=True), at=n % 2)
          for n in range(1_500, 4_000, 501)),
    )  # fmt: skip
    await writing
    for reader in readers:
        check(reader, "r")


async def test_a_stream_cut_at_every_byte_goes_on_exactly_behind_its_last_whole_event(
    gateways: Two,
):
    """Every byte of a run that has ended: what a cut leaves and what then comes are the story."""
    await story(await gateways.run("r"), pause_s=0)
    path = "/v1/runs/r/events"
    raw = (await gateways.https[0].get(path)).content
    rest: dict[str, bytes] = {}
    for at in range(len(raw) + 1):
        reader = Reader()
        for frame in parse(raw[:at]):
            reader.take(frame)
        if reader.last not in rest:
            answer = await gateways.https[1].get(path, headers=reader.headers)
            assert answer.status_code == (204 if reader.seqs == EVENTS else 200)
            rest[reader.last] = answer.content
        reader.cut()
        for frame in parse(rest[reader.last]):
            reader.take(frame)
        check(reader, "r")
    assert len(rest) == len(EVENTS) + 1


async def _known(gateways: Two, run_id: str) -> None:
    """Until it is in the log."""
    async with asyncio.timeout(10):
        while await gateways.log.find_run("default", run_id) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.002)
