"""What a callable returns or raises, as a model gets it."""

import asyncio
import contextvars
import dataclasses
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any, Never

import pytest
from pydantic import BaseModel
from structlog.testing import capture_logs

from actalog_contracts.runs import ToolReturned
from actalog_tools.functions import BadFunction
from tests.integration.tools.world import World


class Order(BaseModel):
    id: str


@dataclasses.dataclass
class Point:
    x: int


class Named:
    def __str__(self) -> str:
        return "a name"


async def test_plain_and_async_callables_answer_with_text(world: World):
    def plain(order_id: str) -> str:
        return f"{order_id} on {threading.current_thread().name}"

    async def awaits(order_id: str) -> str:
        await asyncio.sleep(0)
        return f"{order_id} on {threading.current_thread().name}"

    await world.start(plain=plain, awaits=awaits)
    assert await world.content("plain", '{"order_id": "a"}') == "a on actalog tool"
    assert await world.content("awaits", '{"order_id": 7}', call_id="2") == "7 on MainThread"
    told = world.outcomes()[0]
    assert isinstance(told, ToolReturned)
    assert (told.epoch, told.truncated, told.state_ops) == (1, False, ())
    assert told.fingerprint.startswith("sha256:")


VALUES: Any = [
    ("text", "text"), (None, "null"), (3, "3"), ({"a": [1, True]}, '{"a":[1,true]}'),
    (Order(id="a"), '{"id":"a"}'), ([Order(id="a")], '[{"id":"a"}]'), (Point(1), '{"x":1}'),
    ({"at": Named()}, '{"at":"a name"}'), ("a\x00b\ud800", "a\ufffdb\ufffd"), ("", ""),
    ({"a": ["x\ud83d", 1.5, None]}, '{"a":["x\ufffd",1.5,null]}'), ("\ud83d\ude00", "\U0001f600"),
    (Order.model_construct(id="\ud83d"), '{"id":"\ufffd"}'),
]  # fmt: skip


@pytest.mark.parametrize(("value", "text"), VALUES)
async def test_values_become_text(world: World, value: object, text: str):
    def give() -> Any:
        return value

    await world.start(give=give)
    assert await world.content("give") == text


CYCLE: list[Any] = []
CYCLE.append(CYCLE)
NO_TEXT: Any = [
    (b"bytes", "bytes; return text"), (object(), "object has no JSON form"),
    (CYCLE, "ValueError"), ({"x": object()}, "object has no JSON form"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "said"), NO_TEXT)
async def test_what_has_no_text_form_is_told_clearly(world: World, value: object, said: str):
    def give() -> Any:
        return value

    await world.start(give=give)
    failed = await world.failed("give")
    assert failed.kind == "raised"
    assert failed.message.startswith("The tool has run, but")
    assert said in failed.message


async def test_generators_are_joined_and_not_asked_for_more_than_the_limit(world: World):
    asked: list[int] = []

    def endless() -> Iterator[str]:
        while True:
            asked.append(1)
            yield "ab"

    async def few() -> AsyncIterator[Any]:
        yield "a"
        yield {"b": 1}

    def returns_async() -> AsyncIterator[Any]:
        return few()

    await world.start(endless=endless, few=few, returns_async=returns_async)
    assert (await world.content("endless", output_limit=100)).startswith("abab")
    assert len(asked) == 51
    assert await world.content("few", call_id="2") == 'a{"b":1}'
    assert await world.content("returns_async", call_id="3") == 'a{"b":1}'


async def test_a_plain_callable_that_gives_something_to_await_is_awaited(world: World):
    async def inner() -> str:
        return "awaited"

    def outer() -> Any:
        return inner()

    await world.start(outer=outer)
    assert await world.content("outer") == "awaited"


async def test_long_output_is_cut_with_a_note(world: World):
    def long(text: str = "x") -> str:
        return text * 5_000

    await world.start(long=long)
    told = await world.run("long")
    assert isinstance(told, ToolReturned)
    assert told.truncated
    assert 950 < len(told.content) <= 1_000
    assert told.content.endswith("of 5,000 characters]")


@pytest.mark.parametrize("text", ["\x01", "\U0001f600", "x"])
async def test_what_the_bus_could_not_carry_is_cut_too(world: World, text: str):
    def huge() -> str:
        return text * 1_000_000

    await world.start(huge=huge)
    told = await world.run("huge", output_limit=2_000_000)
    assert isinstance(told, ToolReturned)
    assert told.truncated


async def test_exceptions_are_told_without_their_traceback(world: World):
    def breaks() -> Never:
        raise ValueError("no such order \ud800")

    async def breaks_async() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(_breaks())

    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def mute() -> Never:
        raise Mute

    await world.start(breaks=breaks, breaks_async=breaks_async, mute=mute)
    failed = await world.failed("breaks")
    assert (failed.kind, failed.message) == ("raised", "ValueError: no such order \ufffd")
    assert (await world.failed("breaks_async", call_id="2")).message == "KeyError: 'x'"
    assert (await world.failed("mute", call_id="3")).message == "Mute"


async def _breaks() -> None:
    raise KeyError("x")


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
@pytest.mark.parametrize("how", ["plain", "awaits"])
async def test_an_author_s_exit_does_not_end_the_service(
    world: World, error: BaseException, how: str
):
    def plain() -> Never:
        raise error

    async def awaits() -> None:
        raise error

    def fine() -> str:
        return "fine"

    await world.start(plain=plain, awaits=awaits, fine=fine)
    failed = await world.failed(how)
    assert failed.message.startswith(type(error).__name__)
    assert await world.content("fine", call_id="2") == "fine"


async def test_a_callable_that_raises_cancelled_is_not_taken_for_a_cancelled_one(world: World):
    async def gives_up() -> None:
        raise asyncio.CancelledError

    await world.start(gives_up=gives_up)
    assert (await world.failed("gives_up")).kind == "raised"


async def test_arguments_that_do_not_fit_are_refused_before_anything_runs(world: World):
    ran: list[int] = []

    def find(count: int) -> str:
        ran.append(count)
        return ""

    await world.start(find=find)
    failed = await world.failed("find", '{"count": "many"}')
    assert failed.kind == "arguments"
    assert "count: Input should be a valid integer" in failed.message
    assert ran == []


async def test_a_path_that_the_app_does_not_have_says_what_mends_it(world: World):
    await world.start()
    failed = await world.failed("gone")
    assert failed.kind == "internal"
    assert "`actalog deploy`" in failed.message


async def test_a_callable_without_annotations_keeps_the_service_from_being_built(world: World):
    with pytest.raises(BadFunction, match="'order_id' has no annotation"):
        await World().start(find=lambda order_id: "")  # pyright: ignore
    await world.start()


async def test_print_and_context_variables_of_an_author_break_nothing(
    world: World, capsys: pytest.CaptureFixture[str]
):
    variable = contextvars.ContextVar("variable", default="unset")

    def plain() -> str:
        print("from a tool")
        before = variable.get()
        variable.set("plain")
        return before

    async def awaits() -> str:
        before = variable.get()
        variable.set("awaits")
        return before

    await world.start(plain=plain, awaits=awaits)
    for at, name in enumerate(["plain", "awaits", "plain", "awaits"]):
        assert await world.content(name, call_id=str(at)) == "unset"
    assert capsys.readouterr().out == "from a tool\n" * 2


async def test_people_see_that_a_tool_runs(world: World):
    def plain() -> str:
        return ""

    async def reads() -> str:
        await asyncio.sleep(0.01)
        return ""

    await world.start(plain=plain, reads=reads)
    await world.run("plain")
    await world.run("reads", call_id="2", effect="read_only")
    told = {(one.call_id, one.detail, one.epoch) for one in world.progress()}
    assert told == {("r1:t1.0", "plain", 1), ("2", "reads", 1)}


async def test_a_tool_that_the_app_here_lacks_is_told_to_the_model_and_to_the_operator(
    world: World,
):
    await world.start()
    with capture_logs() as lines:
        failed = await world.failed("elsewhere", effect="read_only")
    assert (failed.kind, "not in the App that runs here" in failed.message) == ("internal", True)
    (line,) = [one for one in lines if one["event"] == "a tool is not in the App here"]
    assert (line["log_level"], "elsewhere" in line["path"]) == ("error", True)


async def test_a_log_line_says_where_a_callable_raised_and_not_what(world: World):
    def breaks(card: str) -> Never:
        raise ValueError(card)

    await world.start(breaks=breaks)
    with capture_logs() as lines:
        await world.failed("breaks", '{"card": "4242"}')
    (line,) = [one for one in lines if one["event"] == "a tool raised"]
    assert (line["error"], "test_outcomes.py" in line["at"]) == ("ValueError", True)
    assert "4242" not in str(lines)
