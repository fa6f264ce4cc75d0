"""Publishes tasks as any producer would, and takes their results from `actalog.results`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from actalog.cli.board import Board
from actalog.cli.following import Follower, following
from actalog.cli.sending import sender
from actalog_bus.settings import KafkaSettings

Result = dict[str, Any]


async def publish_and_follow(
    tasks: Sequence[Mapping[str, Any]], settings: KafkaSettings, *, prefix: str, board: Board
) -> list[Result]:
    """The result of each task, in the order of the tasks: the first one that ended or paused."""
    async with (
        following(settings, prefix=prefix) as follower,
        sender(settings, prefix=prefix) as out,
    ):
        with board:
            for task in tasks:
                board.asked(task["run_id"], _text(task.get("input")))
                await out.send(task)
            found = await _results({task["run_id"] for task in tasks}, follower, board)
    return [found[task["run_id"]] for task in tasks]


async def _results(wanted: set[str], follower: Follower, board: Board) -> dict[str, Result]:
    found: dict[str, Result] = {}
    if not wanted:
        return found
    async for told in follower.messages():
        run_id = told.get("run_id")
        if run_id not in wanted:
            continue
        match told.get("type"):
            case "stream.delta.v1":
                board.delta(told)
            case "run.result.v1" | "message.refused.v1" if run_id not in found:
                found[run_id] = told
                board.result(told)
                if len(found) == len(wanted):
                    break
            case _:
                pass
    return found


def _text(given: object) -> str:
    return given if isinstance(given, str) else str(given)


def failed(result: Result) -> bool:
    """Failed or refused. What a guardrail blocked and what a person stopped did not fail."""
    return result.get("status", "refused") in ("failed", "refused")


def answered(result: Result) -> bool:
    """There is an answer, or a question to a person. A script must not take nothing for one."""
    return result.get("status") in ("completed", "paused")


def summary(results: Sequence[Result], took_s: float) -> str:
    """`30 results in 1.2 s: 29 completed, 1 blocked`."""
    counts = Counter(one.get("status", "refused") for one in results)
    told = ", ".join(f"{count} {status}" for status, count in counts.most_common())
    return f"{len(results)} results in {took_s:.1f} s: {told or 'none'}"
