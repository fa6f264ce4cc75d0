"""Which rows of the inbox may be heard at once."""

import orjson

from actalog_conductor.rows import lanes
from actalog_log.beside_ports import InboxRow


def row(id: str, said: object, tenant_id: str = "default") -> InboxRow:
    return InboxRow(tenant_id, id, said if isinstance(said, bytes) else orjson.dumps(said))


def test_3_1_rows_of_a_session_are_heard_one_after_the_other_as_they_were_accepted():
    s, t = {"session_id": "s"}, {"session_id": "t"}
    told = lanes([row("a", s), row("b", t), row("c", s), row("d", s, "acme"), row("e", s)])
    assert [[one.inbox_id for one in lane] for lane in told] == [["a", "c", "e"], ["b"], ["d"]]


def test_a_row_without_a_session_that_can_be_read_waits_for_no_other():
    bodies: list[object] = [
        {},
        [],
        7,
        None,
        {"session_id": None},
        {"session_id": 7},
        {"session_id": ""},
        b"\xff",
    ]
    told = lanes([row(str(at), body) for at, body in enumerate(bodies)])
    assert [len(lane) for lane in told] == [1] * len(bodies)
