"""The author's App of these tests: every stage that a run can have, on both wire formats."""

from actalog import Agent, App, tool
from actalog.guardrails import LengthGuardrail, PIIDetectionGuardrail, PromptInjectionGuardrail

IN_STOCK = {"boots": 3, "tent": 0}


@tool(read_only=True)
def order_status(order_id: int, verbose: bool = False) -> str:
    """Where an order is.

    Args:
        order_id: The number of the order.
        verbose: Whether to tell all of it.
    """
    return f"Order {order_id} left on Tuesday{', by post' if verbose else ''}."


@tool(read_only=True)
async def stock(name: str) -> str:
    """How many there are.

    Args:
        name: Of the product.
    """
    return f"{IN_STOCK.get(name, 0)} x {name}"


plain = Agent(name="plain", model="openai:scripted", instructions="Be brief.")
support = Agent(
    name="support", model="openai:scripted", instructions=["Be brief.", "Look things up."],
    description="You work at a desk.", tools=[order_status, stock], add_history_to_context=True,
)  # fmt: skip
claude = Agent(
    name="claude", model="anthropic:scripted", instructions="Be brief.",
    tools=[order_status, stock], add_history_to_context=True, update_memory_on_run=True,
)  # fmt: skip
careful = Agent(
    name="careful", model="openai:scripted", instructions="Be brief.", tools=[order_status],
    pre_hooks=[PIIDetectionGuardrail(mask_pii=True), PromptInjectionGuardrail()],
    post_hooks=[PIIDetectionGuardrail(mask_pii=True), LengthGuardrail(max_chars=1_000)],
    add_history_to_context=True, update_memory_on_run=True,
)  # fmt: skip

app = App(agents=[plain, support, claude, careful])
