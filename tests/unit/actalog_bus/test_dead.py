"""Dead letters and their lineage."""

import pytest

from actalog_bus.burial import burial
from actalog_bus.dead import about, cut, dead_letter, origin, redriven, redrives, was_redriven
from actalog_bus.ports import Fault, Outgoing, Record
from actalog_contracts.calls import CallBuried

FAULT = Fault("unexpected", "KeyError: 'colour'", 3)
TASK = Record("actalog.tasks", 2, 7, 1_000, b"k", b"{}", (("ce_id", b"a"),))


def lies(letter: Outgoing, offset: int, at_ms: int = 5_000) -> Record:
    """A record as the broker keeps it."""
    return Record(letter.topic, 0, offset, at_ms, letter.key, letter.value, letter.headers)


def test_a_redriven_letter_tells_who_when_and_from_where():
    letter = lies(dead_letter(TASK, FAULT), 12)
    again = redriven(letter, by="ann", at="2026-11-25T00:00:00Z")
    assert (again.topic, again.key, again.value) == ("actalog.tasks", b"k", b"{}")
    told = {name: value.decode() for name, value in again.headers}
    assert told == {
        "ce_id": "a", "redrive-by": "ann", "redrive-at": "2026-11-25T00:00:00Z",
        "redrive-count": "1", "redrive-origin": "actalog.tasks/2/7/1000",
        "redrive-from": "actalog.tasks.dlq/0/12",
    }  # fmt: skip
    assert was_redriven(lies(again, 30))
    assert not was_redriven(TASK)


def test_1_2_the_original_coordinates_are_kept_through_several_redrives():
    record = TASK
    for life in range(1, 4):
        letter = lies(dead_letter(record, FAULT), life, 5_000 + life)
        told = about(letter)
        assert told["dlq-source-topic"] == "actalog.tasks"
        assert (told["dlq-source-partition"], told["dlq-source-offset"]) == ("2", "7")
        assert told["dlq-source-timestamp"] == "1000"
        record = lies(redriven(letter, by=f"person {life}", at="now"), 100 + life)
        assert str(origin(record)) == "actalog.tasks/2/7/1000"
        told = about(record)
        assert told["redrive-count"] == str(life)
        assert told["redrive-from"] == f"actalog.tasks.dlq/0/{life}"
        assert told["redrive-by"] == f"person {life}"


@pytest.mark.parametrize(
    "said",
    [
        b"other/0/1/2", b"actalog.tasks/x/1/2", b"actalog.tasks/1/2", b"", b"\xff",
        b"actalog.tasks/0/%s/1" % (b"9" * 5_000),  # Python refuses to read so long a number
        "actalog.tasks/0/\u0663/1".encode(),
    ],
)  # fmt: skip
def test_an_origin_that_makes_no_sense_is_not_believed(said: bytes):
    record = Record("actalog.tasks", 2, 7, 1_000, None, b"", (("redrive-origin", said),))
    assert str(origin(record)) == "actalog.tasks/2/7/1000"
    assert about(lies(dead_letter(record, FAULT), 1))["dlq-source-offset"] == "7"


@pytest.mark.parametrize("said", [b"x", b"-1", b"\xff", b"9" * 5_000])
def test_a_count_of_redrives_that_its_sender_made_up_keeps_no_letter_from_being_sent_again(
    said: bytes,
):
    record = Record("actalog.tasks", 2, 7, 1_000, None, b"{}", (("redrive-count", said),))
    letter = lies(dead_letter(record, FAULT), 1)
    assert redrives(letter) == 0
    assert about(lies(redriven(letter, by="a", at="b"), 2))["redrive-count"] == "1"


def test_a_letter_that_says_nothing_of_its_source_or_was_cut_is_not_sent_again():
    with pytest.raises(ValueError, match="where it came from"):
        redriven(Record("actalog.tasks.dlq", 0, 1, 0, None, b"{}", ()), by="a", at="b")
    foreign = lies(dead_letter(TASK, FAULT), 1)
    elsewhere = Record("other.dlq", 0, 1, 0, None, b"{}", foreign.headers)
    with pytest.raises(ValueError, match="where it came from"):
        redriven(elsewhere, by="a", at="b")
    whole = dead_letter(Record("t", 0, 0, 0, None, b"x" * 1_000_000, ()), FAULT)
    short = cut(whole)
    assert len(short.value or b"") == 900_000
    with pytest.raises(ValueError, match="too large"):
        redriven(lies(short, 1), by="a", at="b")


def word(topic: str, value: bytes) -> CallBuried | None:
    out = burial(Record(topic, 0, 4, 9, b"k", value, ()), FAULT)
    assert out[0].topic == f"{topic}.dlq"
    if len(out) == 1:
        return None
    assert out[1].topic == "p.replies"
    return CallBuried.model_validate_json(out[1].value or b"")


IDS = b'"tenant_id": "t", "run_no": 3, "run_id": "r", "session_id": "s"'


def test_the_run_of_a_dead_command_or_answer_is_told():
    said = word("p.llm.commands", b'{"type": "model.call.v1", "call_id": "r:m1", ' + IDS + b"}")
    assert said is not None
    assert (said.run_no, said.call_id, said.reason) == (3, "r:m1", "unexpected")
    assert said.source == "p.llm.commands/0/4/9"
    said = word("p.replies", b'{"outcome": {"call_id": "r:m2"}, ' + IDS + b"}")
    assert said is not None
    assert said.call_id == "r:m2"
    said = word("p.replies", b'{"type": "turn.free.v1", ' + IDS + b"}")
    assert said is not None
    assert said.call_id is None


@pytest.mark.parametrize(
    ("value", "after"),
    [
        (b'"call_id": "r:t1.0"', 0), (b'"call_id": "r:t1.0", "after_epoch": null', 0),
        (b'"call_id": "r:t1.0", "after_epoch": 2', 2),
        (b'"outcome": {"call_id": "r:t1.0", "epoch": 3}', 2),
        (b'"outcome": {"call_id": "r:t1.0", "epoch": 0}', None),
        (b'"call_id": "r:t1.0", "after_epoch": 1e9', None), (b'"type": "turn.free.v1"', None),
    ],
)  # fmt: skip
def test_word_of_a_dead_letter_says_which_attempt_it_was(value: bytes, after: int | None):
    """What a person has let begin since is not meant."""
    topic = "p.replies" if b"outcome" in value or b"free" in value else "p.tools.commands"
    said = word(topic, b"{" + value + b", " + IDS + b"}")
    assert said is not None
    assert said.after_epoch == after


@pytest.mark.parametrize(
    "value",
    [b"", b"[]", b"\xff", b"null", b'{"run_no": 3}', b'{"type": "call.buried.v1", ' + IDS + b"}",
     b'{"run_no": "x", "tenant_id": "t", "run_id": "r", "session_id": "s"}'],
)  # fmt: skip
def test_what_names_no_run_and_word_itself_have_no_word(value: bytes):
    assert word("p.llm.commands", value) is None


def test_a_dead_task_is_of_no_run_yet():
    assert word("p.tasks", b"{" + IDS + b"}") is None
