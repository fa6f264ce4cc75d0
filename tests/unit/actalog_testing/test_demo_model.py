"""What the scripted server says when nobody wrote a script."""

import json
from typing import Any, Literal

import jsonschema
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actalog_testing.scripted.demo import NOTE, demo_reply
from actalog_testing.scripted.fill import value_for
from actalog_testing.scripted.request import Request
from actalog_testing.scripted.script import Reply


def tool(name: str, description: str, **properties: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    function = {"name": name, "description": description, "parameters": schema}
    return {"type": "function", "function": function}


TEXT = {"type": "string"}
TOOLS = [
    tool("order_status", "Where an order is: shipped or not, when it arrives.", order_id=TEXT),
    tool("find_products", "Products of the catalogue with price and stock.", query=TEXT),
    tool("return_policy", "The shop's rules on returns, refunds and warranty.", topic=TEXT),
    tool("refund_order", "Pays an order back.", order_id=TEXT),
    tool("weather", "The forecast of a city.", city=TEXT),
]


def ask(*messages: str | dict[str, Any], **more: Any) -> Reply:
    told = [{"role": "user", "content": m} if isinstance(m, str) else m for m in messages]
    body = {"model": "m", "messages": told, **more}
    return demo_reply(Request("openai", body, {}, orjson.dumps(body)))


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ("Where is order 1042?", [("order_status", {"order_id": "1042"})]),
        (
            "Did 1042 ship? And 1043?",
            [("order_status", {"order_id": "1042"}), ("order_status", {"order_id": "1043"})],
        ),
        (
            "Is the Trail Runner in stock?",
            [("find_products", {"query": "Trail Runner stock"})],
        ),
        ('Any products like "rain coat"?', [("find_products", {"query": "rain coat"})]),
        ("Please refund order A-1042.", [("refund_order", {"order_id": "A-1042"})]),
        ("Weather in New York?", [("weather", {"city": "New York"})]),
        (
            "Where is order 1042, and what is your return policy?",
            [
                ("return_policy", {"topic": "order 1042 return policy"}),
                ("order_status", {"order_id": "1042"}),
            ],
        ),
    ],
)
def test_a_question_calls_the_tool_that_fits(asked: str, wanted: list[tuple[str, Any]]):
    reply = ask(asked, tools=TOOLS)
    assert [(call.name, call.arguments) for call in reply.tool_calls] == wanted


@pytest.mark.parametrize("asked", ["hello", "thanks!", "Where is my order?", ""])
def test_nothing_is_looked_up_where_nothing_fits_or_something_is_missing(asked: str):
    reply = ask(asked, tools=TOOLS)
    assert not reply.tool_calls
    assert reply.text.endswith(NOTE)


def test_a_follow_up_is_about_what_was_named_before():
    reply = ask("Where is order 1042?", "And when will it arrive?", tools=TOOLS)
    assert [call.arguments for call in reply.tool_calls] == [{"order_id": "1042"}]


def test_the_answer_quotes_what_the_tools_returned_and_says_that_it_is_scripted():
    call = {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f"}}]}
    results = [
        {"role": "tool", "tool_call_id": "a", "content": '{"status": "shipped", "eta": "Friday"}'},
        {"role": "tool", "tool_call_id": "b", "content": "Left on Tuesday"},
    ]
    reply = ask("Where is order 1042?", call, *results, tools=TOOLS)
    assert reply.text == f"status: shipped; eta: Friday. Left on Tuesday. {NOTE}"


def test_anthropics_tool_results_are_read_too():
    body: dict[str, Any] = {
        "model": "m",
        "system": [{"type": "text", "text": "Be kind."}],
        "messages": [
            {"role": "user", "content": "Where is order 1042?"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f"}]},
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "t", "content": "On its way"}],
            },
        ],
        "tools": [{"name": "f", "description": "order", "input_schema": {}}],
    }
    request = Request("anthropic", body, {}, orjson.dumps(body))
    assert request.system == "Be kind."
    assert request.messages[2].tool_calls == ("f",)
    assert demo_reply(request).text == f"On its way. {NOTE}"


def test_a_state_that_is_shown_as_json_asks_for_no_json():
    state = 'The session\'s state, as JSON:\n{"items": []}'
    told = ask({"role": "system", "content": state}, "What do you know about me?").text
    assert "nothing from before" in told
    asked = f'{state}\n\nAnswer with JSON only: {{"label": "..."}}'
    told = ask({"role": "system", "content": asked}, "Where is it?").text
    assert list(json.loads(told)) == ["label"]


def test_instructions_are_not_taken_for_memories():
    rules = "You help.\n\n- Be friendly\n- Guess nothing"
    known = "What is known about the user:\n- Name is Ada."
    for system, expected in ((rules, "nothing from before"), (f"{rules}\n{known}", "Name is Ada.")):
        told = ask({"role": "system", "content": system}, "Do you remember my name?").text
        assert expected in told
        assert ".." not in told
        assert "Guess" not in told


def test_what_a_person_says_about_themselves_is_noted_and_looked_up_again():
    assert ask("My name is Ada.").text == f"Noted: My name is Ada. {NOTE}"
    system = {"role": "system", "content": "What you know:\n- Name is Ada"}
    assert "Name is Ada" in ask(system, "What is my name?").text
    assert "My name is Ada" in ask("My name is Ada.", "What did I say before?").text


OPS: dict[str, Any] = {
    "type": "object",
    "properties": {"ops": {"type": "array", "items": {"$ref": "#/$defs/Op"}}},
    "required": ["ops"],
    "$defs": {
        "Op": {
            "type": "object",
            "properties": {"op": {"enum": ["add", "update", "delete"]}, "text": TEXT},
            "required": ["op", "text"],
        }
    },
}


@pytest.mark.parametrize("by", ["openai", "anthropic", "system"])
def test_memories_are_extracted_as_json_for_the_schema(
    by: Literal["openai", "anthropic", "system"],
):
    told: dict[str, dict[str, Any]] = {
        "openai": {"response_format": {"type": "json_schema", "json_schema": {"schema": OPS}}},
        "anthropic": {"output_config": {"format": {"type": "json_schema", "schema": OPS}}},
        "system": {},
    }
    system = {"role": "system", "content": "Answer in JSON." + json.dumps(OPS) * (by == "system")}
    fact = ask(system, "user: I prefer size 9.\nassistant: ok", **told[by])
    assert json.loads(fact.text) == {"ops": [{"op": "add", "text": "I prefer size 9."}]}
    assert json.loads(ask(system, "user: Where is 1042?", **told[by]).text) == {"ops": []}


SHOWN = "[user] Hi. My name is Ada, please update that.\n[tool_call a] {}\n[assistant] I am here."


def test_a_conversation_shown_as_text_is_told_from_what_is_asked_about_it():
    asked = {"response_format": {"type": "json_schema", "json_schema": {"schema": OPS}}}
    system = {"role": "system", "content": "Decide what to keep. Answer with JSON only."}
    for messages in ([SHOWN, "The list is empty."], [SHOWN + "\n[note] The list is empty."]):
        told = json.loads(ask(system, *messages, **asked).text)
        assert told == {"ops": [{"op": "add", "text": "My name is Ada, please update that."}]}
    summary = {"type": "object", "properties": {"summary": TEXT}, "required": ["summary"]}
    asked = {"response_format": {"type": "json_schema", "json_schema": {"schema": summary}}}
    told = json.loads(ask(system, SHOWN, "There is no earlier summary.", **asked).text)
    assert "My name is Ada" in told["summary"]
    assert NOTE in told["summary"]


def test_an_example_in_the_system_text_is_as_good_as_a_schema():
    shape = '{"ops": [{"op": "add", "text": "...", "topics": ["..."], "sure": true, "n": 1}]}'
    system = {"role": "system", "content": f"Not this: {{x}}. Answer with JSON only: {shape}"}
    told = json.loads(ask(system, "[user] I prefer size 9.").text)
    (op,) = told["ops"]
    assert (op["op"], op["text"]) == ("add", "I prefer size 9.")
    assert json.loads(ask(system, "[user] Where is it?").text) == {"ops": []}


def test_json_without_a_schema_is_an_object_that_says_it_is_scripted():
    told = json.loads(ask("hello", response_format={"type": "json_object"}).text)
    assert NOTE in told["answer"]
    told = json.loads(ask({"role": "system", "content": "Answer in JSON"}, "hello").text)
    assert NOTE in told["answer"]


Schema = dict[str, Any]


def text_schema(n: int) -> Schema:
    return {"type": "string", "minLength": n, "maxLength": n + 5}


def number_schema(kind: str, n: int) -> Schema:
    return {"type": kind, "minimum": n, "maximum": n + 9}


def array_schema(items: Schema, least: int) -> Schema:
    return {"type": "array", "items": items, "minItems": least}


def object_schema(fields: dict[str, Schema]) -> Schema:
    return {"type": "object", "properties": fields, "required": [*fields]}


def choice_schema(options: list[Schema]) -> Schema:
    return {"anyOf": options}


PLAIN: list[Schema] = [
    {"type": "boolean"}, {"type": "null"}, {"enum": ["a", 1, None]}, {"const": 3}, {},
    {"type": ["string", "null"], "format": "date-time"}, {"type": "number", "minimum": 3},
]  # fmt: skip
leaves = (
    st.builds(text_schema, st.integers(0, 9))
    | st.builds(number_schema, st.sampled_from(["integer", "number"]), st.integers(-50, 50))
    | st.sampled_from(PLAIN)
)


def nested(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    names = st.sampled_from(["id", "text", "topics", "n"])
    return (
        st.builds(choice_schema, st.lists(inner, min_size=1, max_size=3))
        | st.builds(array_schema, inner, st.integers(0, 3))
        | st.builds(object_schema, st.dictionaries(names, inner))
    )


schemas = st.recursive(leaves, nested, max_leaves=8)


@given(schemas, st.text(max_size=40))
def test_a_value_satisfies_its_schema(schema: dict[str, Any], text: str):
    jsonschema.validate(value_for(schema, text), schema)


def test_a_schema_that_contains_itself_ends():
    node = {"type": "object", "properties": {"next": {"$ref": "#"}, "n": {"type": "integer"}}}
    assert value_for({**node, "required": ["n"]}, "7")["n"] == 7
