"""What an import costs."""

import subprocess
import sys

HEAVY = ("openai", "anthropic", "fastapi", "weaviate", "faststream", "aiokafka", "asyncpg",
         "pydantic", "rich", "uvloop")  # fmt: skip


def loaded(code: str) -> set[str]:
    """Which heavy modules a fresh interpreter has after `code`."""
    told = f"{code}\nimport sys\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.split())


def test_importing_actalog_loads_nothing_heavy():
    assert loaded("import actalog") == set()


def test_an_agent_is_made_without_pydantic():
    assert loaded("from actalog import Agent\nAgent(name='a', model='openai:x')") == set()


def test_an_app_loads_no_provider_and_no_server():
    code = "from actalog import Agent, App, tool\n@tool\ndef f(x: int) -> int: ...\nApp(agents=[Agent(tools=[f])])"
    assert loaded(code) <= {"pydantic"}


def test_everything_named_at_the_top_can_be_imported():
    loaded(
        "import actalog\nfor name in actalog.__all__: assert name in dir(actalog) and getattr(actalog, name)"
    )
