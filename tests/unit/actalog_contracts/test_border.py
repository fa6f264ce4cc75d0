import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actalog_contracts.border import MAX_METADATA, BadInput, decode
from actalog_contracts.tasks import RunCancel, TaskSubmit

TASK: dict[str, Any] = {"target": "agent:a", "input": "hello"}
STRUCTURED = {"content-type": b"application/cloudevents+json"}


def read(value: object, headers: Mapping[str, bytes] | None = None):
    return decode(json.dumps(value).encode(), headers or {})


def refused(value: bytes | None, headers: Mapping[str, bytes] | None = None) -> BadInput:
    with pytest.raises(BadInput) as told:
        decode(value, headers or {})
    return told.value


def structured_refused(event: object) -> BadInput:
    return refused(json.dumps(event).encode(), STRUCTURED)


def test_plain_json_without_headers_is_a_task():
    assert read(TASK).message == TaskSubmit(target="agent:a", input="hello")


def test_the_type_in_the_json_wins_over_the_header():
    cancel = {"type": "run.cancel.v1", "run_id": "r"}
    assert isinstance(read(cancel, {"ce_type": b"task.submit.v1"}).message, RunCancel)
    assert isinstance(read({"run_id": "r"}, {"ce_type": b"run.cancel.v1"}).message, RunCancel)


def test_structured_cloudevents_carry_their_attributes_beside_the_data():
    event = {
        "specversion": "1.0",
        "id": "7",
        "source": "/shop",
        "type": "task.submit.v1",
        "data": TASK,
    }
    told = read(event, {"Content-Type": b"application/cloudevents+json; charset=utf-8"})
    assert (told.ce_id, told.ce_source) == ("7", "/shop")
    assert told.message == TaskSubmit(**TASK)
    assert (
        refused(b'{"data": 1}', {"content-type": b"application/cloudevents+json"}).field == "data"
    )


def test_the_envelope_of_either_mode_may_name_what_a_message_belongs_to():
    event = {"id": "7", "type": "task.submit.v1", "correlationid": "c-1", "data": TASK}
    assert read(event, STRUCTURED).correlation_id == "c-1"
    assert read(TASK, {"ce_correlationid": b"c-1"}).correlation_id == "c-1"
    for no_name in (b"", b"\xff", b"a\nb", b"x" * 201):
        assert read(TASK, {"ce_correlationid": no_name}).correlation_id is None
    broken = structured_refused({**event, "data": {**TASK, "inputt": 1}})
    assert broken.readable["correlation_id"] == "c-1"
    named = {**TASK, "inputt": 1, "correlation_id": "mine"}
    assert structured_refused({**event, "data": named}).readable["correlation_id"] == "mine"


def test_the_confluent_frame_is_taken_off():
    framed = b"\x00\x00\x00\x00\x07" + json.dumps(TASK).encode()
    assert decode(framed, {}).message == TaskSubmit(**TASK)


@pytest.mark.parametrize(
    "media_type", ["Application/CloudEvents+JSON", " application/cloudevents+json ;x=y"]
)
def test_a_media_type_has_no_case_and_may_have_parameters(media_type: str):
    event = {"id": "7", "type": "task.submit.v1", "data": TASK}
    assert read(event, {"content-type": media_type.encode()}).ce_id == "7"


def test_structured_cloudevents_may_have_their_data_as_base64():
    told = base64.b64encode(json.dumps(TASK).encode()).decode()
    assert read({"id": "7", "data_base64": told}, STRUCTURED).message == TaskSubmit(**TASK)
    for wrong in ("no base64!", "ä", 7):
        assert structured_refused({"data_base64": wrong}).field == "data_base64"
    assert structured_refused({"data_base64": None}).field == "data"
    broken = base64.b64encode(b"{").decode()
    assert "not JSON" in structured_refused({"data_base64": broken}).message


def test_what_is_no_json_behind_a_confluent_frame_is_told_so():
    told = refused(b"\x00\x00\x00\x00\x07\x00\x0a\x05agent", {})
    assert "only JSON is read" in told.message


def test_a_refusal_of_a_cloudevent_has_its_id_in_every_mode():
    event = {"id": "7", "source": "/shop", "data": {**TASK, "inputt": "typo", "reply_to": "there"}}
    told = structured_refused(event)
    assert (told.readable["message_id"], told.readable["reply_to"]) == ("7", "there")
    assert refused(b"{", {"CE_ID": b"8"}).readable["message_id"] == "8"
    assert "message_id" not in refused(b"{", {"ce_id": b"8" * 201}).readable


def test_metadata_that_no_result_could_carry_are_refused():
    most: dict[str, Any] = {"x": "ä" * ((MAX_METADATA - len('{"x": ""}')) // 2)}
    assert read({**TASK, "metadata": most}).message == TaskSubmit(**TASK, metadata=most)
    told = refused(json.dumps({**TASK, "run_id": "r", "metadata": {**most, "y": 1}}).encode())
    assert (told.code, told.field, told.readable["run_id"]) == ("too_large", "metadata", "r")


def test_a_header_without_a_value_says_nothing():
    assert read(TASK, {"ce_type": b"", "content-type": b""}).message == TaskSubmit(**TASK)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "empty"), (b"", "empty"), (b"\xff{}", "not UTF-8 at byte 0"), (b"{", "not JSON"),
        (b"null", "object is wanted"), (b"[]", "object is wanted"), (b"\x00", "not JSON"),
        (b'{"a":1,"a":2}', "stands twice"), (b'{"a":NaN}', "NaN is not JSON"),
        (b'{"a":-Infinity}', "not JSON"), (b'{"a":1e400}', "out of range"),
        (b'{"a":9007199254740993}', "beyond 2"), (b'{"a":' + b"9" * 5000 + b"}", "out of range"),
        (b'{"a":"\\u0000"}', "NUL"), (b'{"a":["\\ud800"]}', "surrogates"),
        (b'{"\\ud800":1}', "surrogates"), (b'{"a":' + b"[" * 10_000, "deeper than 100"),
        (b'{"a' + b"\\" * 3, "not JSON"), (b"\xef\xbb\xbf{}", "byte order mark"),
    ],
)  # fmt: skip
def test_bad_bytes_get_a_clear_reason(value: bytes | None, said: str):
    assert said in refused(value).message


IMAGE = {"type": "image", "url": "https://shop.example/a.png"}


def test_media_have_their_content_in_one_place():
    for media in (IMAGE, {"type": "file", "blob": "b"}, {"type": "audio", "data": "YW\nJj"}):
        task = decode(json.dumps({**TASK, "media": [media]}).encode(), {}).message
        assert isinstance(task, TaskSubmit)
        assert len(task.media) == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"targte": "x"}, "targte"), ({"input": 1}, "input"), ({"target": ""}, "target"),
        ({"target": "a\nb"}, "target"), ({"priority": "1"}, "priority"), ({"type": "x"}, "type"),
        ({"media": [{"type": "smell"}]}, "media.0.type"),
        ({"media": [{"type": "image"}]}, "media.0"),
        ({"media": [{"type": "file", "blob": "b"}, {**IMAGE, "data": "YQ=="}]}, "media.1"),
        ({"media": [{"type": "image", "data": "***"}]}, "media.0.data"),
        ({"media": [{"type": "file", "url": "file:///etc/passwd"}]}, "media.0.url"),
        ({"media": [{"type": "image", "data": "é"}]}, "media.0.data"), ({"run_id": "x" * 201}, "run_id"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named_and_the_ids_are_read_all_the_same(
    change: dict[str, Any], field: str
):
    told = refused(json.dumps({"correlation_id": "c", **TASK, **change}).encode())
    assert told.field is not None
    assert told.field.startswith(field)
    assert told.readable["correlation_id"] == "c"


@pytest.mark.parametrize("input", ["a\0b", "a\ud800b", 10**400, 2**60])
def test_what_cannot_be_carried_is_told_with_the_ids_that_can(input: Any):
    told = refused(json.dumps({**TASK, "input": input, "run_id": "r", "user_id": 3}).encode())
    assert told.field == "input"
    assert dict(told.readable) == {"run_id": "r"}


def test_an_id_that_cannot_be_carried_or_is_none_of_ours_is_not_told():
    told = refused(json.dumps({**TASK, "run_id": "a\0", "correlation_id": "x" * 201}).encode())
    assert (told.field, dict(told.readable)) == ("run_id", {})
    assert not refused(b"[1180591620717411303424]").readable


def test_a_field_that_is_missing_is_named():
    assert refused(b'{"input":"x"}').field == "target"


def test_what_is_too_large_is_refused_before_it_is_read():
    assert refused(b"x" * 1_048_577).code == "too_large"


def test_brackets_inside_a_text_are_not_nesting():
    assert read({**TASK, "input": '["\\' * 500}).message


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_read_or_refused(value: bytes):
    try:
        decode(value, {})
        reason = "it was read"
    except BadInput as told:
        reason = told.message
    assert reason


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.dictionaries(st.sampled_from(["type", "target", "input", "media", "run_id"]), json_values)
)
def test_arbitrary_fields_are_read_or_refused(value: dict[str, object]):
    try:
        read(value)
        reason = "it was read"
    except BadInput as told:
        reason = told.message
    assert reason
