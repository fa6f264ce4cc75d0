"""Blobs that a prompt names: read for the request, bounded, and named where they are not there."""

from typing import Any

import orjson
import pytest

from actalog_contracts.runs import HistoryRun, ModelFailed, ModelReplied
from actalog_llm import handlers
from tests.integration.llm.world import World

PNG = b"\x89PNG\r\n\x1a\n"


def blobs(*ids: str) -> dict[str, Any]:
    return {"media": orjson.dumps([{"type": "image", "blob": one} for one in ids]).decode()}


async def kept(world: World, **data: bytes) -> None:
    for blob_id, one in data.items():
        await world.log.put_blob("default", blob_id, "image/png", one)


def shown(world: World) -> list[str]:
    """Of each user's part that the model was sent last, its text or what kind it is."""
    messages: list[dict[str, Any]] = world.server.requests[-1].body["messages"]
    parts: list[Any] = [one["content"] for one in messages if one["role"] == "user"]
    flat: list[Any] = []
    for one in parts:
        flat += [{"text": one}] if isinstance(one, str) else one
    return [one.get("text") or one["image_url"]["url"][:21] for one in flat]


async def test_a_blob_s_bytes_are_in_the_request(world: World):
    await world.start()
    await kept(world, a=PNG)
    await world.begin_with(blobs("a", "a"))
    assert isinstance(await world.ask(), ModelReplied)
    assert shown(world) == ["data:image/png;base64", "data:image/png;base64", "Where is it?"]


@pytest.mark.parametrize(
    ("ids", "why"),
    [(("a", "gone"), "media.1.blob: there is no such blob"), (("b", "c"), "more than")],
)
async def test_a_run_whose_own_are_not_there_or_too_large_fails_and_asks_nothing(
    world: World, ids: tuple[str, str], why: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(handlers, "MOST_BYTES", 20)
    await world.start()
    await kept(world, a=PNG, b=PNG + bytes(8), c=PNG + bytes(9))
    await world.begin_with(blobs(*ids))
    failed = await world.ask()
    assert isinstance(failed, ModelFailed)
    assert (failed.kind, why in failed.message) == ("invalid_request", True)
    assert world.server.requests == []


async def test_of_what_earlier_runs_brought_the_newest_is_shown_as_far_as_there_is_room(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(handlers, "MOST_BYTES", 20)
    await world.start()
    await kept(world, a=PNG, b=PNG + bytes(1), c=PNG + bytes(3))
    history: list[HistoryRun] = []
    for run_id in ("a", "b"):
        await world.begin_with(blobs(run_id), run_id)
        await world.replied(run_id)
        run = world.runs[run_id]
        history.append(HistoryRun(run_no=run.row.run_no, run_id=run_id, seq=run.head.seq))
    await world.begin_with(blobs("c"), history=tuple(history))
    await world.postman.command(world.command())
    await world.bus.drained()
    told = [one for one in shown(world) if one != "Where is it?"]
    assert told == ["[image]", "data:image/png;base64", "data:image/png;base64"]
