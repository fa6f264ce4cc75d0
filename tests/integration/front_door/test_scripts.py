"""Programs of authors, as processes of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

AGENT = '''
from actalog import Agent, App, tool

@tool
async def order_status(order_id: str) -> str:
    """Where an order is now."""
    return f"order {order_id} is on its way"

support = Agent(name="support", instructions="Answer in one sentence.", tools=[order_status])
'''


def run(folder: Path, code: str, **env: str) -> tuple[str, str]:
    """Standard output and error of a program in `folder`; warnings are errors, and it must end
    well."""
    script = folder / "main.py"
    script.write_text(code)
    clean = {
        name: value for name, value in os.environ.items()
        if not name.startswith(("ACTALOG_", "OPENAI_", "ANTHROPIC_"))
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)], cwd=folder, env=clean | env,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_a_script_prints_the_answer_and_says_once_that_nothing_is_kept(tmp_path: Path):
    code = AGENT + (
        'support.print_response("Where is order 1042?", stream=True)\n'
        'support.print_response("Where is order 1043?", stream=False)\n'
    )
    out, err = run(tmp_path, code)
    assert "order 1042 is on its way" in out
    assert "order 1043 is on its way" in out
    assert err.count("nothing is kept") == 1
    assert err.count("scripted model") == 1
    assert "Traceback" not in err
    assert not (tmp_path / ".actalog").exists()


def test_run_arun_and_streams_work_outside_and_inside_a_running_loop(tmp_path: Path):
    code = (
        AGENT
        + """
import asyncio

assert "1041 is on" in support.run("Where is order 1041?").content
events = [one.event for one in support.run("order 1042?", stream=True, stream_events=True)]
assert events[0] == "RunStarted" and events[-1] == "RunCompleted", events
*some, last = support.run("order 1043?", stream=True, yield_run_output=True)
assert last.status == "COMPLETED" and {one.event for one in some} == {"RunContent"}

async def main():
    assert "1044 is on" in (await support.arun("Where is order 1044?")).content
    assert [one async for one in support.arun("order 1045?", stream=True)]
    assert "1046 is on" in support.run("Where is order 1046?").content       # as in a notebook
    outputs = await asyncio.gather(*(support.arun(f"order {n}?") for n in range(20)))
    assert all(one.status == "COMPLETED" for one in outputs)

asyncio.run(main())
async def left():
    async for one in support.arun("order 1047?", stream=True):
        break
asyncio.run(left())
print("fine")
"""
    )
    out, err = run(tmp_path, code)
    assert out == "fine\n"
    assert "Traceback" not in err


def test_a_paused_run_is_continued_by_its_requirements(tmp_path: Path):
    code = '''
from actalog import Agent, tool

@tool(requires_confirmation=True)
def order_status(order_id: str) -> str:
    """Where an order is now."""
    return f"order {order_id} is on its way"

support = Agent(name="support", tools=[order_status])
paused = support.run("Where is order 1042?")
assert paused.is_paused, paused
for requirement in paused.active_requirements:
    requirement.confirm()
done = support.continue_run(run_id=paused.run_id, requirements=paused.requirements)
assert done.status == "COMPLETED", done

paused = support.run("Where is order 1043?")
for one in paused.tools:
    one.confirmed = False
events = list(support.continue_run(paused, stream=True, stream_events=True))
assert [one.event for one in events][0] == "RunContinued"
support.cancel_run("not-begun")
assert support.run("hello", run_id="not-begun").is_cancelled
print("fine")
'''
    assert run(tmp_path, code)[0] == "fine\n"


def test_a_tool_may_run_another_agent(tmp_path: Path):
    code = (
        AGENT
        + '''
@tool
async def ask_support(order_id: str) -> str:
    """Asks the support desk about an order."""
    return (await support.arun(f"Where is order {order_id}?")).content

@tool
def ask_again(order_id: str) -> str:
    """Asks the support desk about an order, once more."""
    return support.run(f"Where is order {order_id}?").content

for one in (ask_support, ask_again):
    boss = Agent(name="boss", tools=[one])
    assert "order 1049 is on its way" in boss.run("Where is order 1049?").content
print("fine")
'''
    )
    assert run(tmp_path, code)[0] == "fine\n"


def test_an_agent_that_was_changed_runs_as_it_is_now(tmp_path: Path):
    code = (
        AGENT
        + """
assert not support.run("Where is order 1041?").is_paused
support.tools = []
output = support.run("Where is order 1042?")
assert not output.tools
support.tools = [order_status]
assert support.run("Where is order 1043?").tools
print("fine")
"""
    )
    assert run(tmp_path, code)[0] == "fine\n"


def test_an_authors_packages_may_be_called_shared_services_and_contracts(tmp_path: Path):
    for name in ("shared", "services", "contracts"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"NAME = {name!r}\n")
    (tmp_path / "services" / "orders.py").write_text(AGENT)
    code = """
import contracts, services, shared
from services.orders import support

assert (contracts.NAME, services.NAME, shared.NAME) == ("contracts", "services", "shared")
output = support.run("Where is order 1047?")
assert output.tools[0].result == "order 1047 is on its way", output
print("fine")
"""
    assert run(tmp_path, code)[0] == "fine\n"


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        (
            'support.run("x", colour="red")',
            "BadCall",
            "cannot be done: run() got an unexpected key",
        ),
        ("support.run(3)", "BadCall", "cannot be done: input must be text"),
        ('Agent(name="a", tools=[lambda x: x]).run("x")', "BadDefinition", "called '<lambda>'"),
        ('support.continue_run(run_id="r")', "BadCall", "waits for nothing"),
        ("support.continue_run()", "BadCall", "needs a run_response"),
        (
            "support.get_session()",
            "NoMethod",
            "not have this yet: Agent.get_session(). `actalog re",
        ),
    ],
)
def test_what_a_script_does_wrong_is_told_in_a_line(
    tmp_path: Path, code: str, kind: str, said: str
):
    wrong = f"{AGENT}\ntry:\n    {code}\nexcept Exception as error:\n    print(type(error).__name__, error)\n"
    out, _ = run(tmp_path, wrong)
    assert out.startswith(f"{kind} ")
    assert said in out


def test_a_platform_that_is_named_and_not_there_is_told_with_its_setting(tmp_path: Path):
    wrong = f'{AGENT}\ntry:\n    support.run("x")\nexcept Exception as error:\n    print(error)\n'
    out, _ = run(
        tmp_path, wrong, ACTALOG_KAFKA="127.0.0.1:1",
        ACTALOG_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none",
    )  # fmt: skip
    assert "ACTALOG_KAFKA" in out


def test_a_script_with_an_isolated_tool_ends_without_a_word(tmp_path: Path):
    code = """
from actalog import Agent, tool

@tool(isolated=True, read_only=True)
def order_status(order_id: str) -> str:
    \"\"\"Where an order is now.\"\"\"
    return f"order {order_id} is on its way"

if __name__ == "__main__":
    support = Agent(name="support", tools=[order_status])
    print(support.run("Where is order 1042?").content)
"""
    out, err = run(tmp_path, code)
    assert "order 1042 is on its way" in out
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("lacking", "agent", "told"),
    [
        ("openai", "Agent(name='a')", "the llm service needs openai: install actalog[llm]."),
        ("jsonschema", "Agent(name='a', post_hooks=[FormatGuardrail({'type': 'object'})])",
         "agent 'a' has a FormatGuardrail, which needs jsonschema: install actalog[guardrails]."),
    ],
)  # fmt: skip
def test_what_is_not_installed_is_one_line_behind_the_authors_own(
    tmp_path: Path, lacking: str, agent: str, told: str
):
    code = f"""
import sys, traceback
sys.modules[{lacking!r}] = None
from actalog import Agent
from actalog.guardrails import FormatGuardrail
a = {agent}
for way in (a.run, a.print_response, lambda text: list(a.run(text, stream=True))):
    try:
        way("hello")
    except Exception:
        print(traceback.format_exc().replace("\\n", "|"))
"""
    out, err = run(tmp_path, code)
    lines = out.splitlines()
    assert len(lines) == 3
    for line in lines:
        assert line.rstrip("|").endswith(told)
        assert ("No platform is named" in line) == (lacking == "openai")
        assert line.count("  File ") <= 6
    assert "dead letter" not in err
    assert lacking != "openai" or err == ""
