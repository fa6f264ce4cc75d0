"""What compatible servers make of chat completions, and what we make of that."""

import json
from typing import Any

import pytest

from actalog_contracts.base import Usage
from actalog_llm.accumulate_openai import OpenAIAccumulator
from actalog_llm.adapters.events import parsed
from actalog_llm.whole import Broken, CallText, Whole, without_echo
from tests.unit.actalog_llm.wires import chunk


def whole(*chunks: object) -> Whole:
    accumulator = OpenAIAccumulator()
    for one in chunks:
        accumulator.take(one)
    return accumulator.whole()


def calls(*deltas: list[dict[str, Any]]) -> tuple[CallText, ...]:
    return whole(*(chunk({"tool_calls": one}) for one in deltas), chunk({}, "tool_calls")).calls


def call(name: str | None = None, arguments: object = None, **more: Any) -> dict[str, Any]:
    return {"function": {"name": name, "arguments": arguments}, **more}


A, B = CallText("a", "f", "{}"), CallText("b", "g", '{"x":1}')


@pytest.mark.parametrize(
    "deltas",
    [
        [[call("f", "{}", index=0, id="a"), call("g", '{"x":1}', index=1, id="b")]],
        # interleaved
        [
            [call("f", "", index=0, id="a")], [call("g", '{"x', index=1, id="b")],
            [call(None, "{", index=0)], [call(None, '":1}', index=1)], [call(None, "}", index=0)],
        ],
        # no index: whole calls in one delta or in several (Gemini)
        [[call("f", "{}", id="a"), call("g", '{"x":1}', id="b")]],
        [[call("f", "{}", id="a")], [call("g", '{"x":1}', id="b")]],
        # no index: pieces follow the last call, or name their call again
        [[call("f", "", id="a")], [call(None, "{}")], [call("g", '{"x"', id="b")], [call(None, ":1}")]],
        [[call("f", "", id="a")], [call(None, "{}", id="a")], [call("g", '{"x":1}', id="b")]],
        # the same index for all
        [[call("f", "{}", index=0, id="a")], [call("g", '{"x":1}', index=0, id="b")]],
        # the id and the name with every piece
        [
            [call("f", "{", index=0, id="a")], [call("f", "}", index=0, id="a")],
            [call("g", '{"x":1}', index=1, id="b")],
        ],
        # a name in pieces; indices that do not begin at 0; nulls
        [[call("f", None, index=3, id="a")], [call("", "{}", index=3, id=None)],
         [call("g", '{"x":1}', index=7, id="b")]],
    ],
)  # fmt: skip
def test_two_calls_however_they_are_told(deltas: list[list[dict[str, Any]]]):
    assert calls(*deltas) == (A, B)


def test_calls_without_ids_are_kept_apart_by_their_names():
    told = calls([call("f", "{}"), call("f", '{"x":1}')])
    assert told == (CallText("", "f", "{}"), CallText("", "f", '{"x":1}'))


def test_whole_calls_of_one_index_without_ids_are_kept_apart():
    """As Gemini's parallel calls come; the pieces of others stay together."""
    told = calls([call("f", "{}", index=0, id="")], [call("f", '{"x":1}', index=0, id="")])
    assert told == (CallText("", "f", "{}"), CallText("", "f", '{"x":1}'))
    (one,) = calls(
        [call("f", '{"x"', index=0)], [call("f", ":1}", index=0)], [call("f", "", index=0)]
    )
    assert one == CallText("", "f", '{"x":1}')


def test_what_follows_on_whole_arguments_without_a_name_is_theirs():
    told = calls([call("f", '{"x":1}', index=0)], [call(None, "\n", index=0)])
    assert [(one.name, one.arguments) for one in told] == [("f", '{"x":1}\n')]


def test_a_server_that_says_id_and_name_with_each_piece_means_one_call():
    pieces = ['{"x":', "1}", "\n"]
    told = calls(*([call("f", one, index=0, id="a")] for one in pieces))
    assert [(one.name, one.arguments) for one in told] == [("f", '{"x":1}\n')]


def test_a_repeated_id_is_two_calls_when_both_are_whole():
    told = calls([call("f", "{}", id="a")], [call("f", '{"x":1}', id="a")])
    assert [one.arguments for one in told] == ["{}", '{"x":1}']


def test_arguments_given_as_an_object_are_carried_as_json():
    assert calls([call("f", {"x": 1}, index=0, id="a")])[0].arguments == '{"x":1}'


def test_integers_of_arguments_given_as_an_object_are_those_that_came():
    told = parsed(b'{"arguments":{"x":18446744073709551617}}')
    asked = calls([call("f", told["arguments"])])
    assert asked[0].arguments == '{"x": 18446744073709551617}'
    assert parsed(b'{"input":{"x":18446744073709551617}}') == {"input": {"x": 2**64 + 1}}


def test_what_are_no_calls_are_none():
    assert whole(chunk({"tool_calls": None}), chunk({"tool_calls": "?"}, "stop")).calls == ()


def test_a_name_may_come_in_pieces():
    assert calls([call("get_", index=0, id="a")], [call("it", index=0)])[0].name == "get_it"


def test_the_old_form_of_a_call_is_understood():
    told = whole(
        chunk({"function_call": {"name": "f", "arguments": "{"}}),
        chunk({"function_call": {"arguments": "}"}}), chunk({}, "function_call"),
    )  # fmt: skip
    assert (told.calls, told.finish) == ((CallText("", "f", "{}"),), "tool_calls")


def test_calls_that_end_with_stop_are_calls_all_the_same():
    told = whole(chunk({"tool_calls": [call("f", "{}", index=0)]}), chunk({}, "stop"))
    assert told.finish == "tool_calls"


@pytest.mark.parametrize(
    "choices", [None, [], "x", [None], [{"index": 1, "delta": {"content": "n"}}]]
)
def test_chunks_without_our_choice_say_nothing(choices: object):
    told = whole({"choices": choices}, chunk({"content": "x"}), chunk(None, "stop"))
    assert (told.text, told.finish) == ("x", "stop")


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_is_found_wherever_it_stands(field: str):
    told = whole(chunk({field: "because", "content": None}), chunk({"content": "x"}, "stop"))
    assert (told.reasoning, told.text) == ("because", "x")


def test_content_in_parts_is_text_and_thought():
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
             {"type": "text", "text": "yes"}]  # fmt: skip
    told = whole(chunk({"content": parts}, "stop"))
    assert (told.reasoning, told.text) == ("hm", "yes")


def test_signatures_are_kept_to_be_sent_back():
    signed = {"google": {"thought_signature": "s"}}
    told = whole(
        chunk({"tool_calls": [call("f", "{}", index=0), call("g", "{}", index=1, extra_content=signed)]}),
        chunk({"reasoning_details": [{"type": "reasoning.encrypted", "data": "d"}]}, "tool_calls"),
    )  # fmt: skip
    back = json.loads(told.extra)["openai"]
    assert back["calls"] == [None, signed]
    assert back["reasoning_details"][0]["data"] == "d"


@pytest.mark.parametrize(
    "usage",
    [
        None, {}, "many", {"prompt_tokens": -1, "completion_tokens": 2},
        {"prompt_tokens": 1}, {"prompt_tokens": True, "completion_tokens": 1},
        {"prompt_tokens": "1", "completion_tokens": 1}, {"prompt_tokens": 2**60, "completion_tokens": 1},
    ],
)  # fmt: skip
def test_usage_that_cannot_be_true_is_none(usage: object):
    assert whole(chunk({"content": "x"}, "stop"), {"choices": [], "usage": usage}).usage is None


def test_usage_without_details_has_none_of_them():
    usage = {"prompt_tokens": 0, "completion_tokens": 0}
    told = whole(chunk({"content": "x"}, "stop", usage=usage)).usage
    assert told == Usage()


def test_the_last_usage_counts_with_its_details():
    told = whole(
        chunk({"content": "x"}, usage={"prompt_tokens": 1, "completion_tokens": 1}),
        chunk({}, "stop"),
        {
            "choices": [],
            "usage": {
                "prompt_tokens": 5.0, "completion_tokens": 3, "total_tokens": 8,
                "prompt_tokens_details": {"cached_tokens": 4},
                "completion_tokens_details": {"reasoning_tokens": 2},
            },
        },
    ).usage  # fmt: skip
    assert told is not None
    counts = (told.input_tokens, told.output_tokens, told.cached_tokens, told.reasoning_tokens)
    assert counts == (5, 3, 4, 2)


@pytest.mark.parametrize(("total", "written"), [(18, 13), (8, 3), (9, 3)])
def test_thoughts_that_are_counted_apart_are_written_all_the_same(total: int, written: int):
    usage = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": total,
             "completion_tokens_details": {"reasoning_tokens": 10}}  # fmt: skip
    told = whole(chunk({"content": "x"}, "stop", usage=usage)).usage
    assert told is not None
    assert (told.output_tokens, told.reasoning_tokens, told.total_tokens) == (written, 10, total)


@pytest.mark.parametrize(
    ("chunks", "kind"),
    [
        ([], "truncated"),
        ([chunk({"content": "x"})], "truncated"),
        ([chunk({"refusal": "I will "}), chunk({"refusal": "not"}, "stop")], "refused"),
        ([chunk({"refusal": "I will not"})], "refused"),
        ([chunk({"content": "x"}, "content_filter")], "refused"),
        ([chunk({"content": "x"}, "error")], "overloaded"),
        ([chunk({"content": "x"}, "abort")], "overloaded"),
        ([chunk({"content": "x"}, "insufficient_system_resource")], "overloaded"),
        ([chunk({}, "function_call_filter: MALFORMED_FUNCTION_CALL")], "malformed"),
        ([chunk({}, "content_filter: PROHIBITED_CONTENT")], "refused"),
    ],
)
def test_no_whole_message_is_broken_and_says_how(chunks: list[object], kind: str):
    with pytest.raises(Broken) as caught:
        whole(*chunks)
    assert caught.value.kind == kind
    assert caught.value.quotes == ("will" in caught.value.message)


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        (None, "malformed"),
        ([], "malformed"),
        ("x", "malformed"),
        ({"object": "error"}, "overloaded"),
    ],
)
def test_a_chunk_that_is_none_breaks_the_stream(bad: object, kind: str):
    with pytest.raises(Broken) as caught:
        whole(bad)
    assert caught.value.kind == kind


def test_the_length_limit_and_unknown_reasons_are_told_as_they_are():
    assert whole(chunk({"content": "x"}, "length")).finish == "length"
    assert whole(chunk({"content": "x"}, "eos")).finish == "eos"


def test_an_empty_answer_is_an_answer():
    assert whole(chunk({}, "stop")).text == ""


def test_thoughts_that_some_servers_want_back_are_kept_for_that():
    told = whole(
        chunk({"reasoning_content": "h"}), chunk({"reasoning_content": "m"}),
        chunk({"content": "x"}, "stop"),
    )  # fmt: skip
    assert (told.reasoning, json.loads(told.extra)) == (
        "hm",
        {"openai": {"reasoning_content": "hm"}},
    )
    assert without_echo(told).extra == "{}"
    assert whole(chunk({"reasoning": "hm"}), chunk({}, "stop")).extra == "{}"


@pytest.mark.parametrize("index", [{"index": 0}, {}])
def test_a_thought_that_comes_in_pieces_goes_back_whole(index: dict[str, int]):
    """Of Claude over OpenRouter: its signature is that of the whole text."""
    kind = {"type": "reasoning.text", "format": "anthropic-claude-v1", **index}
    told = whole(
        chunk({"reasoning_details": [{**kind, "text": "Let", "signature": None}]}),
        chunk({"reasoning_details": [{**kind, "text": " me", "id": None}]}),
        chunk({"reasoning_details": [{**kind, "signature": "sig"}]}),
        chunk({"reasoning_details": [{**kind, "text": "Next"}, "x", {}]}),
        chunk({}, "stop"),
    )
    assert json.loads(told.extra)["openai"]["reasoning_details"] == [
        {**kind, "text": "Let me", "signature": "sig"},
        {**kind, "text": "Next"},
    ]


def test_thoughts_of_other_kinds_and_places_stay_apart():
    """Gemini's are encrypted, and each is whole."""
    pieces = [
        {"type": "reasoning.encrypted", "data": "a", "index": 0},
        {"type": "reasoning.encrypted", "data": "b", "index": 0},
        {"type": "reasoning.summary", "summary": "x", "index": 0},
        {"type": "reasoning.text", "text": "y", "index": 1},
    ]
    told = whole(*(chunk({"reasoning_details": [one]}) for one in pieces), chunk({}, "stop"))
    assert json.loads(told.extra)["openai"]["reasoning_details"] == pieces
    more = [
        {"type": "reasoning.summary", "summary": "x"},
        {"type": "reasoning.summary", "summary": "z"},
    ]
    told = whole(*(chunk({"reasoning_details": [one]}) for one in more), chunk({}, "stop"))
    (one,) = json.loads(told.extra)["openai"]["reasoning_details"]
    assert one["summary"] == "xz"


def test_thoughts_without_a_place_are_one_only_side_by_side():
    pieces = [
        {"type": "reasoning.text", "text": "a"},
        {"type": "reasoning.encrypted", "data": "x"},
        {"type": "reasoning.text", "text": None},
        {"type": "reasoning.text", "text": "b"},
    ]
    told = whole(*(chunk({"reasoning_details": [one]}) for one in pieces), chunk({}, "stop"))
    back = json.loads(told.extra)["openai"]["reasoning_details"]
    assert back == [*pieces[:2], {"type": "reasoning.text", "text": "b"}]


def test_what_else_goes_back_is_not_left_out_with_the_thoughts():
    signed = {**call("f", "{}", id="a"), "extra_content": {"s": 1}}
    told = whole(chunk({"reasoning_content": "hm", "tool_calls": [signed]}), chunk({}, "stop"))
    assert json.loads(without_echo(told).extra) == {"openai": {"calls": [{"s": 1}]}}
    assert without_echo(without_echo(told)) == without_echo(told)


def test_a_pair_of_surrogates_in_two_chunks_is_one_character():
    accumulator = OpenAIAccumulator()
    shown = [
        accumulator.take(chunk({"content": text})) for text in ("a\ud83d", "\udc4bb", "\ud83d")
    ]
    accumulator.take(chunk({}, "stop"))
    assert [piece for pieces in shown for piece in pieces] == [("text", "a"), ("text", "👋b")]
    assert accumulator.whole().text == "a👋b\ufffd"


def test_nul_and_lone_surrogates_are_replaced_everywhere():
    told = whole(
        chunk({"content": "a\x00", "reasoning": "\udc00"}),
        chunk({"tool_calls": [call("f\x00", '{"x":"\ud800"}', index=0, id="\x00",
                                   extra_content={"s": "\ud800"})]}, "stop"),
    )  # fmt: skip
    everything = json.dumps([told.text, told.reasoning, told.extra, str(told.calls)])
    assert "\\u0000" not in everything
    assert "\\ud800" not in everything
    assert told.calls[0] == CallText("\ufffd", "f\ufffd", '{"x":"\ufffd"}')


def test_five_hundred_calls_and_five_megabytes_of_arguments_are_taken():
    many = calls([call("f", "{}", index=at, id=f"c{at}") for at in range(500)])
    assert len(many) == 500
    piece = "x" * 5_000
    large = calls([call("f", '"', index=0, id="a")], *[[call(None, piece, index=0)]] * 1_000)
    assert len(large[0].arguments) == 5_000_001
