"""The example that ships: its App, its shop and its messages fit each other."""

import json
from importlib import resources
from pathlib import Path
from typing import Any

import orjson
import pytest

from actalog.examples.support_desk import app as desk
from actalog.examples.support_desk import shop
from actalog_contracts.border import decode
from actalog_contracts.tasks import TaskSubmit
from actalog_testing.scripted.demo import demo_reply
from actalog_testing.scripted.request import Request
from actalog_testing.scripted.script import Reply

LINES = resources.files(shop.support_desk).joinpath("tasks.jsonl").read_text("utf-8").splitlines()
TASKS: list[dict[str, Any]] = [json.loads(line) for line in LINES]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ACTALOG_HOME", str(tmp_path))
    return tmp_path


def answer(said: list[str]) -> Reply:
    """What the demo model makes of a conversation with the tools that the App offers."""
    (definition,) = desk.app.definitions()
    tools = [
        {"type": "function", "function": {"name": t.name, "description": t.description,
                                          "parameters": json.loads(t.parameters)}}
        for t in definition.tools
    ]  # fmt: skip
    messages = [{"role": "user", "content": text} for text in said]
    body = {"model": "m", "messages": messages, "tools": tools}
    return demo_reply(Request("openai", body, {}, orjson.dumps(body)))


def test_every_message_is_a_task_that_the_border_takes():
    assert 25 <= len(TASKS) <= 40
    for line in LINES:
        message = decode(line.encode(), {}).message
        assert isinstance(message, TaskSubmit)
        assert message.target == "agent:support"


def test_the_messages_are_of_several_sessions_and_people_and_one_has_a_card_number():
    assert len({task.get("session_id") for task in TASKS}) >= 8
    assert len({task.get("user_id") for task in TASKS}) >= 8
    assert any("4111 1111 1111 1111" in task["input"] for task in TASKS)


def test_the_demo_model_looks_most_of_them_up_and_never_pays_anything_back():
    said: dict[str, list[str]] = {}
    called: list[str] = []
    for task in TASKS:
        history = said.setdefault(task.get("session_id", ""), [])
        history.append(task["input"])
        reply = answer(history[-4:])
        for call in reply.tool_calls:
            result = desk.app.callables()[f"agent:support/tools/{call.name}"](**call.arguments)  # type: ignore[arg-type]
            assert isinstance(result, str)
            assert result
            called.append(call.name)
        assert reply.tool_calls or "(scripted model)" in reply.text
    assert set(called) == {"order_status", "find_products", "shop_policy"}
    assert len(called) >= 20


def test_an_order_that_is_not_there_is_said_in_words():
    assert desk.order_status("9999") == "There is no order 9999."
    assert "Summit Boot" in desk.order_status("#1057")


def test_products_are_found_by_the_best_fit_first():
    assert desk.find_products("Trail Runner size").startswith("Trail Runner 2")
    assert desk.find_products("submarine") == "Nothing in the catalogue fits."
    assert "out of stock" in desk.find_products("City Walker")


def test_paying_back_twice_with_one_key_pays_once():
    for _ in range(2):
        assert desk.pay_back("1042", "broken", "key-1") == "Order 1042 was paid back."
    assert shop.query("SELECT count(*) AS n FROM refunds") == [{"n": 1}]
    assert desk.pay_back("9999", "broken", "key-2") == "There is no order 9999."


def test_paying_back_needs_a_person_and_has_no_key_in_its_schema():
    (definition,) = desk.app.definitions()
    (tool,) = [tool for tool in definition.tools if tool.name == "pay_back"]
    assert tool.requires_confirmation
    assert tool.wants_key
    assert set(json.loads(tool.parameters)["properties"]) == {"order_id", "reason"}
    assert definition.input_checks
    assert definition.memories
    assert definition.history_runs == 3


def test_the_file_is_made_once_and_kept(home: Path):
    shop.write("UPDATE orders SET status = 'delivered' WHERE order_id = '1042'")
    assert "delivered" in desk.order_status("1042")
    assert [path.name for path in home.iterdir()] == ["support_desk.sqlite"]


def test_without_a_home_the_temporary_folder_is_used(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("ACTALOG_HOME")
    monkeypatch.setattr("tempfile.tempdir", str(home))
    assert shop.database().parent.parent == home
