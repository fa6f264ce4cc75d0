"""The agents of the benchmarks."""

import time

from actalog import Agent, App, tool


@tool(read_only=True)
def lookup(number: int) -> str:
    """A value.

    Args:
        number: Which one.
    """
    return f"value {number}"


@tool(read_only=True)
def big(number: int) -> str:
    """Five kilobytes that differ.

    Args:
        number: Which ones.
    """
    return f"{number:05d}" * 1024


@tool(idempotent=True)
def nap(number: int) -> str:
    """Half a second of a thread.

    Args:
        number: Which one.
    """
    time.sleep(0.5)
    return f"value {number}"


@tool(requires_confirmation=True)
def guarded(number: int) -> str:
    """A value that a person must allow.

    Args:
        number: Which one.
    """
    return f"value {number}"


plain = Agent(name="plain", model="openai:scripted", instructions="Answer.")
tooled = Agent(name="tooled", model="openai:scripted", instructions="Answer.", tools=[lookup])
many = Agent(name="many", model="openai:scripted", instructions="Answer.", tools=[big])
sleepy = Agent(name="sleepy", model="openai:scripted", instructions="Answer.", tools=[nap])
talk = Agent(
    name="talk", model="openai:scripted", instructions="Answer.", add_history_to_context=True,
    num_history_runs=3,
)  # fmt: skip
asking = Agent(name="asking", model="openai:scripted", instructions="Answer.", tools=[guarded])
app = App(agents=[plain, tooled, many, sleepy, talk, asking])
