"""Everything that the platform writes is a CloudEvent."""

from typing import Any

import pytest

from actalog_bus.envelope import Postman
from actalog_bus.memory import MemoryBroker, MemoryBus
from actalog_contracts.streams import Delta, Progress

IDS: dict[str, Any] = {"tenant_id": "t", "run_id": "r", "session_id": "s", "call_id": "r:t1"}


@pytest.mark.parametrize(
    ("message", "id"),
    [
        (Delta(**IDS, epoch=1, offset=4, text="word"), "r:t1:1:text:4"),
        (Delta(**IDS, epoch=1, kind="reasoning", offset=0, text="hm"), "r:t1:1:reasoning:0"),
        (Progress(**IDS, epoch=2, what="retry"), "r:t1:2:retry"),
    ],
)
async def test_what_is_shown_to_people_says_what_it_is_of_which_run(
    message: Delta | Progress, id: str
):
    bus = MemoryBus(broker=MemoryBroker())
    await Postman(bus, prefix="actalog", service="llm").stream(message)
    (record,) = bus.records("actalog.stream")
    told = {name: value.decode() for name, value in record.headers}
    assert told.pop("ce_time").endswith("Z")
    assert told == {
        "ce_specversion": "1.0", "ce_id": id, "ce_type": message.type, "ce_subject": "r",
        "ce_source": "/actalog/t/llm", "ce_dataschema": f"/schemas/{message.type}.json",
        "content-type": "application/json",
    }  # fmt: skip
    assert record.key == b"s"
