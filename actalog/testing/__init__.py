"""For authors' tests: the whole platform in the test's own loop, and a model that follows a script.

async def test_support_looks_the_order_up():
    model = ScriptedModel([call("order_status", order_id="7"), "It is on its way."])
    support = Agent(name="support", model=model, tools=[order_status])
    async with isolated_platform(App(agents=[support])) as platform:
        output = await platform.run(support, "Where is order 7?")
    assert output.content == "It is on its way."
    assert "on its way" in model.requests[1].messages[-1].text

Runs that were recorded are a test of their own: `replay("tests/recorded.jsonl")`.
"""

from actalog.testing.isolated import IsolatedPlatform, isolated_platform
from actalog.testing.replaying import Differs, Replayed, replay
from actalog.testing.scripted_model import Fault, Reply, ScriptedModel, call

__all__ = [
    "Differs", "Fault", "IsolatedPlatform", "Replayed", "Reply", "ScriptedModel", "call",
    "isolated_platform", "replay",
]  # fmt: skip
