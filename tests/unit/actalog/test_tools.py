"""Functions as tools."""

from typing import Any, cast

import pytest

from actalog.agent import Agent
from actalog.app import App
from actalog.errors import BadDefinition, NotSupported, UnknownParameter
from actalog.os import AgentOS
from actalog.tools import Function, Toolkit, tool
from actalog_contracts.definitions import ToolDefinition


@tool
async def order_status(order_id: str) -> str:
    """Where an order is now.

    Args:
        order_id: The number on the invoice.
    """
    return f"order {order_id} is on its way"


@tool(name="refund", requires_confirmation=True, idempotent=True, timeout=2.5, output_limit=10)
def give_back(order_id: str, idempotency_key: str) -> str:
    """Pays back."""
    return order_id + idempotency_key


def plain(text: str, times: int = 2) -> str:
    """Repeats."""
    return text * times


def no_types(order):  # type: ignore[no-untyped-def]
    return order  # pyright: ignore


class Shop(Toolkit):
    """Tools that share a name."""

    def __init__(self, **given: Any) -> None:
        self.where = "shop"
        super().__init__(name="shop", tools=[self.look, self.buy], **given)

    def look(self, item: str) -> str:
        """Looks."""
        return f"{item} in {self.where}"

    @tool(read_only=True)
    def buy(self, item: str) -> str:
        """Buys."""
        return f"{self.where} sold {item}"


def defined(*tools: Any) -> dict[str, ToolDefinition]:
    return {one.name: one for one in Agent(name="a", tools=tools).definition().tools}


def test_a_tool_is_described_by_its_signature_and_what_it_declares():
    found = defined(order_status, give_back, plain)
    assert list(found) == ["order_status", "refund", "plain"]
    status, refund = found["order_status"], found["refund"]
    assert (status.path, status.effect) == ("agent:a/tools/order_status", "once")
    assert "The number on the invoice." in status.parameters
    assert (refund.requires_confirmation, refund.effect) == (True, "idempotent")
    assert (refund.timeout_ms, refund.output_limit, refund.wants_key) == (2500, 10, True)
    assert "idempotency_key" not in refund.parameters
    assert status.fingerprint


async def test_a_tool_can_be_called_as_the_function_it_is():
    assert await order_status("7") == "order 7 is on its way"
    assert give_back.__name__ == "give_back"


def test_a_toolkit_gives_its_methods_and_those_that_were_chosen():
    found = defined(Shop(requires_confirmation_tools=["buy"], timeout=1))
    assert {name: one.requires_confirmation for name, one in found.items()} == {
        "look": False, "buy": True,
    }  # fmt: skip
    assert (found["buy"].effect, found["buy"].timeout_ms) == ("read_only", 1000)
    assert "self" not in found["buy"].parameters
    assert list(defined(Shop(include_tools=["look"]))) == ["look"]
    assert list(defined(Shop(exclude_tools=["look"]))) == ["buy"]
    with pytest.raises(BadDefinition, match="'shop' has no tool 'sell'"):
        defined(Shop(include_tools=["sell"]))


def test_callables_are_addressed_by_their_path_in_the_app():
    app = App(
        agents=[Agent(name="a", tools=[order_status, Shop()]), Agent(name="b", tools=[plain])]
    )
    functions = app.callables()
    assert set(functions) == {
        "agent:a/tools/order_status", "agent:a/tools/look", "agent:a/tools/buy",
        "agent:b/tools/plain",
    }  # fmt: skip
    assert functions["agent:a/tools/buy"](item="tea") == "shop sold tea"
    assert [one.id for one in app.definitions()] == ["a", "b"]
    paths = {tool.path for one in app.definitions() for tool in one.tools}
    assert paths == set(functions)


def test_a_tool_without_annotations_is_named_with_its_parameter():
    with pytest.raises(BadDefinition, match=r"agent 'a', tool 'no_types'.*'order'"):
        App(agents=[Agent(name="a", tools=[cast("Any", no_types)])])


def test_two_tools_of_one_name_are_refused():
    with pytest.raises(BadDefinition, match="two tools called 'plain'"):
        defined(plain, Function(plain))
    with pytest.raises(BadDefinition, match="two tools of one name"):
        defined(Toolkit("t", [plain, plain]))


def test_a_lambda_needs_a_name():
    with pytest.raises(BadDefinition, match="give it a name"):
        defined(lambda: "x")


def test_two_agents_of_one_name_are_refused():
    with pytest.raises(BadDefinition, match="two agents are called 'a'"):
        App(agents=[Agent(name="a"), Agent(id="a")])


def test_an_app_says_what_it_does_not_know():
    with pytest.raises(NotSupported, match="teams"):
        cast("Any", App)(teams=[])
    with pytest.raises(UnknownParameter, match="agents"):
        cast("Any", AgentOS)(agent=[])
    with pytest.raises(BadDefinition, match="3 is no agent"):
        App(agents=[3])  # type: ignore[list-item]
    with pytest.raises(NotSupported, match="actalog up"):
        AgentOS(agents=[]).serve()


def test_a_decorator_says_what_it_does_not_know():
    with pytest.raises(NotSupported, match="stop_after_tool_call"):
        tool(stop_after_tool_call=True)  # type: ignore[call-overload]
    with pytest.raises(UnknownParameter, match="'read_only'"):
        tool(readonly=True)  # type: ignore[call-overload]
    with pytest.raises(BadDefinition, match="one of them"):
        tool(read_only=True, idempotent=True)(plain)
