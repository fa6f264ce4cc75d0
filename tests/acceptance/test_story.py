"""The log has an event for every step, shows what a model was sent, and says when today's code would
send another word."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from actalog.cli.prompts import Shown, calls_of, shown
from actalog_contracts.runs import ModelReplied
from actalog_testing.scripted import Reply, Request, ToolUse
from tests.acceptance.outside import Told
from tests.acceptance.site import Site

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(100)]
CARD = "4111 1111 1111 1111"


async def asked(site: Site, run_id: str, target: str, text: str, *answers: Reply) -> Told:
    """A run of ann in a session of its target, with what the model says in it."""
    site.script(text, *answers)
    return await site.outside.ask(
        target=target, input=text, run_id=run_id, session_id=f"with-{target}", user_id="ann"
    )


async def kinds_of_ended(site: Site, run_id: str) -> list[str]:
    """The types of a run's published events, once it has ended."""

    def kinds() -> list[str]:
        mine = sorted((e["seq"], e["type"]) for e in site.outside.events if e["run_id"] == run_id)
        return [kind for _, kind in dict(mine).items()]

    await site.outside.until(lambda: kinds()[-1:] == ["run.completed.v1"])
    return kinds()


async def test_every_step_of_a_run_and_of_its_remembering_has_an_event(site: Site):
    text = f"Where is order 7? My card is {CARD}."
    masked = text.replace(CARD, "[CARD]")  # what the model is asked
    site.script(masked, Reply(tool_calls=[ToolUse("order_status", {"order_id": 7})]),
                Reply("It left on Tuesday; write to ann@example.com."))  # fmt: skip
    told = await site.outside.ask(
        target="careful", input=text, run_id="steps", session_id="s", user_id="ann"
    )
    assert told["status"] == "completed"
    assert "ann@example.com" not in told["output"]
    assert await kinds_of_ended(site, "steps") == [
        "run.accepted.v1", "run.started.v1", "input.checked.v1", "context.built.v1",
        "model.replied.v1", "output.reviewed.v1", "tool.called.v1", "tool.returned.v1",
        "model.replied.v1", "output.reviewed.v1", "run.completed.v1",
    ]  # fmt: skip
    replies = [one for one in await site.story("steps") if isinstance(one, ModelReplied)]
    assert all(one.prompt is not None and one.prompt.parts for one in replies)
    await site.outside.until(lambda: children(site, "steps"))
    (child,) = children(site, "steps")
    remembered = await kinds_of_ended(site, child)
    assert (remembered[0], remembered[-1]) == ("run.accepted.v1", "run.completed.v1")
    assert {"model.needed.v1", "model.replied.v1", "memory.updated.v1"} <= set(remembered)
    # What is published is what stands in the log, and a card stands nowhere.
    found = await site.find("steps")
    stored = await site.log.read(found.row.run_no)
    published = {e["seq"]: e["hash"] for e in site.outside.events if e["run_id"] == "steps"}
    assert published == {one.seq: one.hash.hex() for one in stored}
    assert CARD not in "".join(json.dumps(e) for e in site.outside.events)


def children(site: Site, run_id: str) -> list[str]:
    told = {e["run_id"] for e in site.outside.events if e.get("parent_run_id") == run_id}
    return sorted(told)


@pytest.mark.parametrize("target", ["support", "claude"])
async def test_a_prompt_is_shown_part_for_part_as_the_server_received_it(site: Site, target: str):
    tools = [
        ToolUse("order_status", {"order_id": 7, "verbose": True}), ToolUse("launch", {"at": "once"}),
    ]  # fmt: skip
    first, second = f"My name is Ann. Where is 7, {target}?", f"And the boots, {target}?"
    await asked(site, f"{target}-1", target, first, Reply("I look.", tools), Reply("It left."))
    if target == "claude":  # its memories are there for the next run
        await site.outside.until(lambda: children(site, "claude-1"))
        await kinds_of_ended(site, children(site, "claude-1")[0])
    boots = ToolUse("stock", {"name": "boots"})
    await asked(site, f"{target}-2", target, second, Reply(tool_calls=[boots]), Reply("Three."))
    sent = 0
    for run_id, question in ((f"{target}-1", first), (f"{target}-2", second)):
        received = site.requests(question)
        calls = await calls_of(site.log, await site.find(run_id))
        assert len(calls) == len(received) == 2
        for call, request in zip(calls, received, strict=True):
            prompt = await shown(site.log, call)
            assert of_parts(prompt.parts, target) == of_request(request)
            sent += len(prompt.parts)
    assert sent > 20
    last = site.requests(second)[-1]
    assert first in [said.text for said in last.messages]  # history of the session
    if target == "claude":
        assert "Ann" in last.system  # a memory


Flat = list[tuple[str, object]]


def of_request(request: Request) -> Flat:
    """What a model was sent: (whose, what), from the body as it was received."""
    body = request.body
    tools = [tool.get("function", tool) for tool in body.get("tools", ())]
    flat: Flat = [("tools", [[t["name"], t["description"], schema(t)] for t in tools])]
    if "system" in body:
        flat.append(("system", body["system"]))
    for said in body["messages"]:
        flat += of_openai(said) if request.wire == "openai" else of_anthropic(said)
    return flat


def schema(tool: dict[str, Any]) -> object:
    return tool.get("parameters") or tool.get("input_schema")


def of_openai(said: dict[str, Any]) -> Flat:
    if said["role"] == "tool":
        return [(f"tool {said['tool_call_id']}", said["content"])]
    flat: Flat = [(said["role"], said["content"])] if said["content"] else []
    for call in said.get("tool_calls", ()):
        name = f"call {call['id']} {call['function']['name']}"
        flat.append((name, json.loads(call["function"]["arguments"])))
    return flat


def of_anthropic(said: dict[str, Any]) -> Flat:
    flat: Flat = []
    for block in said["content"]:
        match block["type"]:
            case "text":
                flat.append((said["role"], block["text"]))
            case "tool_use":
                flat.append((f"call {block['id']} {block['name']}", block["input"]))
            case "tool_result":
                flat.append((f"tool {block['tool_use_id']}", block.get("content", "")))
            case other:
                raise AssertionError(other)
    return flat


def of_parts(parts: Sequence[Shown], target: str) -> Flat:
    """The same of what `actalog prompt` shows; system texts are one to a provider."""
    flat: Flat = []
    for part in parts:
        kind, _, rest = part.role.partition(":")
        match kind:
            case "tools":
                told = json.loads(part.text)
                flat.append(
                    ("tools", [[t["name"], t["description"], t["parameters"]] for t in told])
                )
            case "system" if flat and flat[-1][0] == "system":
                flat[-1] = ("system", f"{flat[-1][1]}\n\n{part.text}")
            case "system" | "user" | "assistant":
                flat.append((kind, part.text))
            case "tool" | "tool_error":
                flat.append((f"tool {rest}", part.text))
            case "tool_call":
                flat.append((f"call {rest.replace(':', ' ', 1)}", json.loads(part.text)))
            case other:
                raise AssertionError(other)
    return flat


async def test_one_changed_word_of_a_prompt_is_shown_at_its_event_with_status_1(site: Site):
    told = await asked(site, "word", "plain", "What is new?", Reply("Nothing."))
    assert told["status"] == "completed"
    await kinds_of_ended(site, "word")
    found = await site.find("word")
    assert actalog(site, "replay", "word", "--json") == (0, {"replayed": 1, "differ": []})
    _, prompt = actalog(site, "prompt", "word", "--json")
    texts = {part["role"]: part["text"] for part in prompt["parts"]}
    assert texts == {"system": "Be brief.", "user": "What is new?"}

    change = (
        "update definitions set body = convert_to(replace(convert_from(body, 'UTF8'), $2, $3),"
        " 'UTF8') where digest = $1"
    )
    await site.log.pool.execute(change, found.row.definition, "Be brief", "Be short")
    try:
        status, said = actalog(site, "replay", "word", "--json")
    finally:
        await site.log.pool.execute(change, found.row.definition, "Be short", "Be brief")
    (differs,) = said["differ"]
    seq = 1 + [one.type for one in await site.story("word")].index("model.replied.v1")
    assert (status, differs["run_id"], differs["seq"]) == (1, "word", seq)
    assert "prompt" in differs["what"]
    assert {"-Be brief.", "+Be short."} <= set(differs["diff"])


def actalog(site: Site, *arguments: str) -> tuple[int, Any]:
    """A command of another process, which knows the database's address alone."""
    env = {name: v for name, v in os.environ.items() if not name.startswith("ACTALOG_")}
    env["ACTALOG_DATABASE_URL"] = site.settings.database_url or ""
    made = subprocess.run(
        [sys.executable, "-m", "actalog", *arguments], env=env, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert made.stdout, made.stderr
    return made.returncode, json.loads(made.stdout)
